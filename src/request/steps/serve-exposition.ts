import type { ServerResponse } from 'node:http';
import type { Exposition } from '../../exposition/exposition.js';
import {
  UpstreamError,
  NoTenantError,
  MetricConflictError,
  TooManyScrapesError,
} from '../../exposition/exposition-errors.js';
import { endInPieces, isLong } from '../answer/body-pieces.js';
import { inTurn } from '../in-turn.js';
import { isAnswered, sequence, tell, waitingStep, type Middleware, type Request } from '../middleware.js';
import { requestState, type Guard } from '../request-state.js';
import { Scrape } from '../scrape.js';
import { sendGatewayError, sendInternalError, sendStatus, sendText, writeHead } from '../answer/status.js';
import { abandonStream, isStreamed, streamExposition, variesBy } from '../answer/stream-exposition.js';
import { WriteDeadline } from '../answer/write-deadline.js';

export interface ServeExpositionOptions {
  /** By shard-level path; any other is 404. */
  readonly expositions: ReadonlyMap<string, Exposition>;
  /** Default `/metrics`: the path to serve where no classifier stands in front. */
  readonly defaultPath?: string;
  /** Told of every scrape served or failed, with the seconds it took. */
  readonly onScrape?: (result: 'success' | 'failure', seconds: number) => void;
  /** How long a client may take less than 64 KiB of a body that is being sent (ms) before it is cut. Default 10,000. */
  readonly writeTimeoutMs?: number;
  /** How long sending a body may take in all (ms) before its client is cut; 0: no bound. Default 300,000. */
  readonly deadlineMs?: number;
  /** Told of each client that was cut since it took too little, or too long. */
  readonly onStalledClient?: () => void;
}

const processStart = String(Math.floor((Date.now() - process.uptime() * 1000) / 1000));

/**
 * Stands last. It serves the path the classifier found, not the one a router would: so the guard and what it
 * guards cannot disagree; and only where a step behind that classifier has allowed it, else it is 401. Whatever the
 * classifier took for no shard-level path is passed on. `guard`: whose step it is (`guardSteps`), and whose `authenticate`
 * says who scrapes; default: a step that stands alone, and the latest.
 */
export function serveExposition(
  {
    expositions,
    defaultPath = '/metrics',
    onScrape = () => undefined,
    writeTimeoutMs = 10_000,
    deadlineMs = 300_000,
    onStalledClient = () => undefined,
  }: ServeExpositionOptions,
  guard?: Guard,
): Middleware {
  const deadline = new WriteDeadline({
    timeoutMs: writeTimeoutMs,
    totalMs: deadlineMs,
    onCut: () => {
      tell(onStalledClient);
    },
  });
  const serve = waitingStep(async (request, response) => {
    const path = servedPath(request, defaultPath);
    if (path === undefined) return true;
    const state = requestState(request);
    const isUnguarded = guard === undefined && state.classification === undefined;
    const isAllowed = state.isAllowed === true && (guard === undefined || state.allowedBy === guard);
    if (!isUnguarded && !isAllowed) {
      // Reached only where `authorize` was left out, or was another guard's.
      sendStatus(request, response, 'Unauthorized', 'Unauthorized');
      return false;
    }
    const exposition = expositions.get(path);
    if (exposition === undefined) {
      sendStatus(request, response, 'NotFound', 'the server could not find the requested resource');
      return false;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      const message = 'the server does not allow this method on the requested resource';
      sendStatus(request, response, 'MethodNotAllowed', message, { Allow: 'GET, HEAD' });
      return false;
    }
    const isKnown = guard === undefined || state.identifiedBy === guard;
    const scrape = new Scrape(request, response, isKnown ? state.identity : undefined);
    if (request.method === 'HEAD') {
      writeHead(request, response, 200, expositionHeaders(exposition.contentType(scrape)));
      response.end();
      return false;
    }
    const started = performance.now();
    let result: 'success' | 'failure' = 'failure';
    try {
      const rendered = await exposition.render(scrape);
      if (isStreamed(rendered)) {
        if (isAnswered(response)) return await abandonStream(rendered);
        await streamExposition(request, response, rendered, deadline);
      } else {
        if (isAnswered(response)) return false;
        const { contentType, contentEncoding, body } = rendered;
        // Bytes, since Node would join a string to the head and so copy it once more.
        const bytes = typeof body === 'string' ? Buffer.from(body) : body;
        writeHead(request, response, 200, {
          ...expositionHeaders(contentType),
          ...(contentEncoding === undefined ? {} : { 'Content-Encoding': contentEncoding }),
          'Content-Length': bytes.byteLength,
        });
        if (isLong(bytes)) {
          deadline.watch(response);
          await endInPieces(response, bytes);
        } else {
          response.end(bytes);
          deadline.watch(response);
        }
      }
      result = 'success';
    } finally {
      const seconds = (performance.now() - started) / 1000;
      tell(() => {
        onScrape(result, seconds);
      });
    }
    return false;
  }, answerFailure);
  // A rendered body is held until it can be sent, and an upstream's connection with it.
  return sequence([inTurn, serve]);
}

function answerFailure(request: Request, response: ServerResponse, error: unknown): void {
  if (error instanceof TooManyScrapesError) {
    const headers = { 'Retry-After': String(error.retryAfterSeconds) };
    sendStatus(request, response, 'ServiceUnavailable', error.message, headers);
  } else if (error instanceof NoTenantError) {
    sendStatus(request, response, 'Forbidden', error.message);
  } else if (error instanceof UpstreamError && !isAnswered(response)) {
    sendGatewayError(request, response, error.status);
  } else if (error instanceof MetricConflictError && !isAnswered(response)) {
    // Whoever may read the metrics may know which of them is at fault, as with Kubernetes.
    sendText(request, response, 500, `An error has occurred while serving metrics: ${error.message}\n`);
  } else sendInternalError(request, response, error);
}

function expositionHeaders(contentType: string): Readonly<Record<string, string>> {
  return { 'Content-Type': contentType, ...variesBy, 'Process-Start-Time-Unix': processStart };
}

function servedPath(request: Request, defaultPath: string): string | undefined {
  const { classification } = requestState(request);
  if (classification === undefined) return defaultPath;
  return classification.kind === 'shard-level' ? classification.path : undefined;
}
