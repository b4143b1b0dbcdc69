import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { AuditedFailure, AuditEvent } from '../audit/audit-event.js';
import type { Identity } from '../authentication/identity.js';
import type { Refusal } from '../authentication/union.js';
import type { Decision, Verdict } from '../authorization/authorizer.js';
import type { PathClassification } from '../paths/classify.js';
import { tell } from '../tell.js';
import { aFunction, checkArgument, listOf } from '../option-checks.js';

/** A request as Node makes it; Express 4 and 5 keep the target as it was before any router cut it. */
export type Request = IncomingMessage & { readonly originalUrl?: string; readonly baseUrl?: string };

export type Next = (error?: unknown) => void;

/** One step in the handling of a request; fits Express 4, Express 5, connect and a bare `http.Server` alike. */
export type Middleware = (request: Request, response: ServerResponse, next: Next) => void;

/** The events of the steps: the only input of telemetry, the audit log and the public hooks. */
type FilterEvent =
  /** Rejected because of its path. */
  | { readonly kind: 'rejected'; readonly code: number }
  /** An attempt, as Kubernetes counts them: no credentials are a failure, bad ones an error. */
  | {
      readonly kind: 'authentication';
      readonly result: 'success' | 'failure' | 'error';
      readonly seconds: number;
      /** Of a success. */
      readonly username?: string;
    }
  /** Answered 401. */
  | { readonly kind: 'unauthenticated'; readonly refusals: readonly Refusal[] }
  /** What one authorizer said. */
  | { readonly kind: 'decision'; readonly authorizer: string; readonly decision: Outcome }
  /** The outcome of asking all authorizers. */
  | { readonly kind: 'authorization'; readonly result: Outcome; readonly seconds: number }
  | { readonly kind: 'forbidden' }
  /** Answered 429. */
  | { readonly kind: 'limited'; readonly by: 'address' | 'identity' | 'bytes' }
  | { readonly kind: 'refused-in-maintenance' }
  | { readonly kind: 'scrape'; readonly result: 'success' | 'failure'; readonly seconds: number }
  /** A request for a path of the gateway is over, with the bytes of bodies passed on; `code` is 0 where none was sent. */
  | {
      readonly kind: 'passed-on';
      readonly path: string;
      readonly code: number;
      readonly requestBytes: number;
      readonly answerBytes: number;
    }
  /** A client was cut off, since it took too little of a body, or took too long. */
  | { readonly kind: 'stalled-client' }
  /** A decided or rejected request is over. */
  | { readonly kind: 'audit'; readonly event: AuditEvent }
  /** A step has failed in a way that none of them handles. */
  | { readonly kind: 'failure'; readonly error: unknown; readonly auditId: string };

type Outcome = Decision['decision'] | 'error';

export type FilterListener = (event: FilterEvent) => void;

/** Calls the hook of an event's kind; one that throws is warned of and changes nothing. */
export function listenerOf(
  owner: string,
  hooks: {
    readonly [Kind in FilterEvent['kind']]?: (event: Extract<FilterEvent, { readonly kind: Kind }>) => void;
  },
): FilterListener {
  return (event) => {
    tell(owner, hooks[event.kind] as FilterListener | undefined, event);
  };
}

/** The steps of one `guardSteps`, which rely on one another; compared by identity. A step that stands alone has none. */
export interface Guard {
  readonly listener?: FilterListener;
}

/** Identifies the steps of one `chain`. */
type Chain = symbol;

/** What the steps know about a request so far; with several guards, the latest wins. */
export class RequestState {
  // All fields are made with the object, since one that grows is moved several times.
  /** Kubernetes' Audit-Id: connects an answer with the operator's log. */
  auditId: string = randomUUID();
  /** When it was first looked at, in ms since the epoch. */
  readonly received = Date.now();
  classification?: PathClassification | undefined;
  /** The guard and the chain of the step that has classified it. */
  classifiedBy?: Guard | undefined;
  classifiedIn?: Chain | undefined;
  identity?: Identity | undefined;
  identifiedBy?: Guard | undefined;
  authenticator?: string | undefined;
  refusals?: readonly Refusal[] | undefined;
  /** Why no method found credentials of its own. */
  noCredentials?: string | undefined;
  verdict?: Verdict | undefined;
  /** The logical cluster whose metrics were allowed. */
  workspace?: string | undefined;
  /** Whether a step has allowed what was classified last, and of which guard. */
  isAllowed?: boolean | undefined;
  allowedBy?: Guard | undefined;
  /** The guard or the chain in which an always-allow or ignore step lets the later steps pass. */
  passedBy?: Guard | undefined;
  passedIn?: Chain | undefined;
  /** The innermost chain that the request is in, and the step of it that was called last. */
  chain?: Chain | undefined;
  step?: Middleware | undefined;
  /** Why the request was turned away, if not for its client's identity: its path, too many requests, maintenance. */
  rejected?: string | undefined;
  /** Whether the client sends its body only once it is told to (`Expect: 100-continue`). */
  awaitsContinue?: boolean | undefined;
  /** What its answer says, where that is a Kubernetes Status. */
  failure?: AuditedFailure | undefined;
}

// A symbol of this module: no client and no middleware can name it. (With a WeakMap, one entry a request costs more in
// garbage collection than all steps of the guard.)
const stateKey = Symbol('kcp-metrics-filter');

export function requestState(request: Request & { [stateKey]?: RequestState | undefined }): RequestState {
  return (request[stateKey] ??= new RequestState());
}

/** Reads something of a connection once; it is kept on the socket, of which node:http2 hands out a proxy. */
export function oncePerSocket<Value>(read: (socket: Socket) => Value): (socket: Socket) => Value {
  const key = Symbol('kcp-metrics-filter');
  return (socket: Socket & { [key]?: Value }) => (socket[key] ??= read(socket));
}

/** Several steps one after the other; each runs only if the one before called its `next`. */
export function sequence(given: readonly (Middleware | undefined)[]): Middleware {
  const steps = given.filter((step) => step !== undefined);
  return (request, response, next) => {
    const run = (at: number): void => {
      const step = steps[at];
      if (step === undefined) {
        next();
        return;
      }
      step(request, response, (error) => {
        if (error === undefined || error === null) run(at + 1);
        else next(error);
      });
    };
    run(0);
  };
}

/**
 * Several steps as one guard; each runs only if the one before called its `next`. Once an always-allow or ignore step in
 * it lets a request pass, so do the later steps in it. Steps outside do not, nor those inside a router or chain that is
 * itself a step of it. Steps of `guardSteps` rely only on their own.
 */
export function chain(steps: readonly Middleware[]): Middleware {
  checkArgument('steps', steps, listOf('middlewares', aFunction));
  const run = sequence(
    steps.map((step): Middleware => (request, response, next) => {
      requestState(request).step = step;
      step(request, response, next);
    }),
  );
  const own: Chain = Symbol('chain');
  return (request, response, next) => {
    const state = requestState(request);
    const { chain: outer } = state;
    state.chain = own;
    run(request, response, (error) => {
      state.chain = outer;
      next(error);
    });
  };
}

/** Whether an always-allow or ignore step of the same guard, or of the same chain, lets a step pass. */
export function isPassed(state: RequestState, guard: Guard | undefined, step: Middleware): boolean {
  if (guard !== undefined) return state.passedBy === guard;
  return state.passedIn !== undefined && state.passedIn === state.chain && state.step === step;
}

/**
 * A step that may have to wait; it says whether the request goes on. A failure is answered by `fail`, a step whose
 * answer another middleware has given meanwhile (a timeout) ends there, and no failure ever becomes an unhandled
 * rejection, which would end the process.
 */
export function waitingStep(
  run: (request: Request, response: ServerResponse) => boolean | Promise<boolean>,
  fail: (request: Request, response: ServerResponse, error: unknown) => void,
): Middleware {
  return (request, response, next) => {
    const goOn = (goesOn: boolean): void => {
      if (goesOn && !isAnswered(response)) next();
    };
    const failed = (error: unknown): void => {
      fail(request, response, error);
    };
    try {
      let goesOn: boolean | Promise<boolean>;
      try {
        goesOn = run(request, response);
      } catch (error) {
        failed(error);
        return;
      }
      if (typeof goesOn === 'boolean') goOn(goesOn);
      else {
        goesOn.then(goOn, failed).catch(() => {
          breakOff(response);
        });
      }
    } catch {
      breakOff(response);
    }
  };
}

/** The stream of a request or an answer over HTTP/2, as node:http2's compatibility API has it. */
export function streamOf(message: IncomingMessage | ServerResponse): ServerHttp2Stream | undefined {
  const { stream } = message as { readonly stream?: ServerHttp2Stream };
  return stream?.rstCode === undefined ? undefined : stream;
}

/** Whether an answer was already sent or started. */
export function isAnswered(response: ServerResponse): boolean {
  return response.headersSent || response.writableEnded || isClosed(response);
}

/** Whether the client takes no more of the answer. Over HTTP/2 only its stream knows. */
export function isClosed(response: ServerResponse): boolean {
  return streamOf(response)?.destroyed ?? (response.destroyed || response.closed);
}

/** Whether all of the answer is out. Over HTTP/2, one that was broken off calls itself finished, too. */
export function isSent(response: ServerResponse): boolean {
  const stream = streamOf(response);
  if (stream === undefined) return response.writableFinished;
  return stream.writableFinished && stream.rstCode === 0;
}

/** Ends an answer so that the sent part does not look complete: over HTTP/2 that takes an error. */
export function breakOff(response: ServerResponse): void {
  if (streamOf(response) === undefined) response.destroy();
  else response.destroy(new Error('the answer was broken off'));
}

/** Aborts when the answer's connection closes before all of the answer is out. */
export function abortOnClose(response: ServerResponse, controller = new AbortController()): AbortSignal {
  const onClose = (): void => {
    if (!isSent(response)) controller.abort();
  };
  if (isClosed(response)) onClose();
  else response.once('close', onClose);
  return controller.signal;
}

/** The target as the client sent it, whatever a router has made of `url` since. */
export function requestTarget(request: Request): string {
  return request.originalUrl ?? request.url ?? '/';
}

/**
 * The first line of a header, by its lower-case name. Looks at the lines as they came: taking all headers apart, as Node
 * does, costs more than the rest of most requests.
 */
export function headerLine({ rawHeaders }: Request, name: string): string | undefined {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const candidate = rawHeaders[at];
    if (candidate?.length === name.length && candidate.toLowerCase() === name) return rawHeaders[at + 1];
  }
  return undefined;
}

/** Whether a body follows the headers, as they say (RFC 9112, 6). */
export function hasBody(request: Request): boolean {
  if (headerLine(request, 'transfer-encoding') !== undefined) return true;
  return (headerLine(request, 'content-length') ?? '0') !== '0';
}

/** A header as Node joins its lines, by its lower-case name; empty without one. */
export function headerValue({ rawHeaders }: Request, name: string): string {
  let value: string | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const candidate = rawHeaders[at];
    if (candidate?.length !== name.length || candidate.toLowerCase() !== name) continue;
    const line = rawHeaders[at + 1] ?? '';
    value = value === undefined ? line : `${value}, ${line}`;
  }
  return value ?? '';
}
