import type { ServerResponse } from 'node:http';
import type { Identity } from '../../authentication/identity.js';
import { nameAmongAll } from '../../authorization/authorizer.js';
import { isStreamed, type Exposition, type ScrapeRequest } from '../../exposition/exposition.js';
import { BodySource } from '../../exposition/body.js';
import type { WorkspaceExpositions } from '../../exposition/workspaces/workspace-expositions.js';
import { isOfMetrics, isOfWorkspaces } from '../../paths/classify.js';
import type { WorkspaceTargets } from '../workspace-targets.js';
import { passedQuery } from '../../exposition/passed-query.js';
import { answerFailure } from '../answer/failure.js';
import { sendExposition, writeExpositionHead } from '../answer/send-body.js';
import { refuseOtherMethods, sendNotFound, sendStatus } from '../answer/status.js';
import { WriteDeadline } from '../answer/write-deadline.js';
import { scrapingUserOf } from '../credentials.js';
import { inTurn } from '../in-turn.js';
import {
  abortOnClose,
  headerValue,
  isAnswered,
  listenerOf,
  requestState,
  requestTarget,
  waitingStep,
  type Guard,
  type Middleware,
  type Request,
  type RequestState,
} from '../middleware.js';
import { aMap, aText, checkOptions, milliseconds, optional, texts } from '../../option-checks.js';

export interface ServeExpositionOptions {
  /** By shard-level path; any other is 404. */
  readonly expositions: ReadonlyMap<string, Exposition>;
  /** By paths that are not among them. Default: they are 404. */
  readonly nodeExposition?: ((path: string) => Exposition | undefined) | undefined;
  /** Metrics of single workspaces, and the list of them for service discovery. Default: neither is served. */
  readonly workspaces?: ServedWorkspaces | undefined;
  /** Default `/metrics`: the path to serve where no classifier stands in front. */
  readonly defaultPath?: string;
  /** Told of every scrape served or failed, with the seconds it took. */
  readonly onScrape?: (result: 'success' | 'failure', seconds: number) => void;
  /** How long a client may read less than 64 KiB of a body (ms) before its connection is closed. Default 10,000. */
  readonly writeTimeoutMs?: number | undefined;
  /** Maximum time to send a body (ms) before the connection is closed; 0: no limit. Default 300,000. */
  readonly deadlineMs?: number | undefined;
  /** Names of the query parameters that upstreams are told. Default: none. */
  readonly passQuery?: readonly string[] | undefined;
  /** Told of each client that was cut off since it took too little, or too long. */
  readonly onStalledClient?: () => void;
}

export interface ServedWorkspaces {
  readonly expositions: WorkspaceExpositions;
  readonly targets: WorkspaceTargets;
}

/**
 * Stands last. Serves the path the classifier found, not the one a router would, so that the guard and what it guards
 * cannot disagree. Where no step behind that classifier has allowed it, the answer is 401; what is no path of metrics is
 * passed on. `guard`: whose step it is (`guardSteps`), and whose `authenticate` says who scrapes. Default: a step that
 * stands alone, and the identity that was found last.
 */
export function serveExposition(options: ServeExpositionOptions, guard?: Guard): Middleware {
  checkOptions(options, {
    expositions: aMap('Expositions by path'),
    defaultPath: optional(aText),
    writeTimeoutMs: optional(milliseconds(1)),
    deadlineMs: optional(milliseconds()),
    passQuery: optional(texts),
  });
  const { expositions, defaultPath = '/metrics', writeTimeoutMs = 10_000, deadlineMs = 300_000 } = options;
  const passed = options.passQuery === undefined ? undefined : new Set(options.passQuery);
  const listener =
    guard?.listener ??
    listenerOf('serveExposition', {
      scrape: ({ result, seconds }) => options.onScrape?.(result, seconds),
      'stalled-client': () => options.onStalledClient?.(),
    });
  const deadline = new WriteDeadline({
    timeoutMs: writeTimeoutMs,
    totalMs: deadlineMs,
    onCut: () => {
      listener({ kind: 'stalled-client' });
    },
  });
  const send = async (
    exposition: Exposition,
    scrape: ScrapeRequest,
    request: Request,
    response: ServerResponse,
    isScrape: boolean,
  ): Promise<false> => {
    const started = performance.now();
    let result: 'success' | 'failure' = 'failure';
    try {
      const rendered = await exposition.render(scrape);
      if (!isAnswered(response)) {
        const sending = sendExposition(request, response, rendered, deadline);
        if (sending !== undefined) await sending;
        result = 'success';
      } else if (isStreamed(rendered)) await new BodySource(rendered.body).return();
    } finally {
      if (isScrape) listener({ kind: 'scrape', result, seconds: (performance.now() - started) / 1000 });
    }
    return false;
  };
  const serve = waitingStep((request, response) => {
    const state = requestState(request);
    const { classification } = state;
    const ofWorkspaces = isOfWorkspaces(classification);
    if (classification !== undefined && !isOfMetrics(classification)) return true;
    const isUnguarded = guard === undefined && classification === undefined;
    const isAllowed = state.isAllowed === true && (guard === undefined || state.allowedBy === guard);
    if (!isUnguarded && !isAllowed) {
      // Reached only where `authorize` was left out, or was another guard's.
      sendStatus(request, response, 'Unauthorized', 'Unauthorized');
      return false;
    }
    const identity = guard === undefined || state.identifiedBy === guard ? state.identity : undefined;
    const path = classification?.path ?? defaultPath;
    const exposition = ofWorkspaces
      ? expositionOfWorkspaces(options.workspaces, request, state, identity)
      : (expositions.get(path) ?? options.nodeExposition?.(path));
    if (exposition === 'bad-host') {
      sendStatus(request, response, 'BadRequest', 'the Host header is not a host with an optional port');
      return false;
    }
    if (exposition === undefined) {
      sendNotFound(request, response);
      return false;
    }
    if (refuseOtherMethods(request, response)) return false;
    let query = '';
    try {
      if (passed !== undefined) query = passedQuery(requestTarget(request), passed);
    } catch (error) {
      sendStatus(request, response, 'BadRequest', error instanceof RangeError ? error.message : 'bad query');
      return false;
    }
    const scrape = new Scrape(request, response, identity, query);
    if (request.method === 'HEAD') {
      writeExpositionHead(request, response, exposition.contentType(scrape));
      response.end();
      return false;
    }
    return send(exposition, scrape, request, response, classification?.kind !== 'workspace-targets');
  }, answerFailure);
  // A rendered body is held until it can be sent, and an upstream's connection with it.
  return (request, response, next) => {
    inTurn(request, response, () => {
      serve(request, response, next);
    });
  };
}

function expositionOfWorkspaces(
  served: ServedWorkspaces | undefined,
  request: Request,
  { classification, workspace }: RequestState,
  identity: Identity | undefined,
): Exposition | 'bad-host' | undefined {
  if (served === undefined) return undefined;
  if (classification?.kind === 'workspace')
    return workspace === undefined ? undefined : served.expositions.of(workspace);
  return identity && (served.targets.of(identity, hostOf(request)) ?? 'bad-host');
}

/** Of a request over HTTP/2 in a field of its own. */
function hostOf({ headers }: Request): string {
  const authority = headers[':authority'];
  return headers.host ?? (typeof authority === 'string' ? authority : '');
}

const maxTimeoutSeconds = 3600;

/** Reads only what is asked for: taking all headers apart costs more than most expositions need. */
class Scrape implements ScrapeRequest {
  readonly #request: Request;
  readonly #response: ServerResponse;
  readonly #identity: Identity | undefined;
  #signal: AbortSignal | undefined;

  constructor(
    request: Request,
    response: ServerResponse,
    identity: Identity | undefined,
    readonly query: string,
  ) {
    this.#request = request;
    this.#response = response;
    this.#identity = identity;
  }

  get accept(): string {
    return headerValue(this.#request, 'accept');
  }

  get acceptEncoding(): string {
    return headerValue(this.#request, 'accept-encoding');
  }

  get timeoutSeconds(): number | undefined {
    const header = headerValue(this.#request, 'x-prometheus-scrape-timeout-seconds');
    const seconds = /^\d{1,9}(?:\.\d{1,9})?$/.test(header) ? Number(header) : 0;
    return seconds > 0 ? Math.min(seconds, maxTimeoutSeconds) : undefined;
  }

  get user(): ScrapeRequest['user'] {
    return this.#identity && scrapingUserOf(this.#identity);
  }

  get scraper(): string | undefined {
    return this.#identity && nameAmongAll(this.#identity);
  }

  get signal(): AbortSignal {
    this.#signal ??= abortOnClose(this.#response);
    return this.#signal;
  }
}
