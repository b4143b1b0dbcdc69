import type { ClientRequest, IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Identity } from '../../authentication/identity.js';
import { nameAmongAll } from '../../authorization/authorizer.js';
import { asUpstreamError, UpstreamError } from '../../exposition/exposition-errors.js';
import type { ScrapingUser } from '../../exposition/exposition.js';
import type { UpstreamAnswer, UpstreamClient } from '../../outgoing/upstream-client.js';
import { locationOf, parseRequestTarget } from '../../paths/request-target.js';
import { tell } from '../../tell.js';
import { answerFailure } from '../answer/failure.js';
import { pumpBody } from '../answer/send-body.js';
import {
  closingHeaders,
  refuseOtherMethods,
  sendStatus,
  sendTooManyRequests,
  writeHead,
} from '../answer/status.js';
import { WriteDeadline } from '../answer/write-deadline.js';
import { renewalOf, scrapingUserOf } from '../credentials.js';
import { inTurn } from '../in-turn.js';
import { RequestBuckets } from '../limits/request-buckets.js';
import {
  abortOnClose,
  headerValue,
  isAnswered,
  isClosed,
  requestState,
  requestTarget,
  streamOf,
  waitingStep,
  type FilterListener,
  type Guard,
  type Middleware,
  type Request,
} from '../middleware.js';

/** Servers that requests are passed on to, and what a request may cost. */
export interface Gateway {
  /** By path. One that ends in `/*` stands for all paths below it; the longest that fits counts. */
  readonly backends: ReadonlyMap<string, Backend>;
  /** The longest body of a request (bytes). */
  readonly maxBodyBytes: number;
  /** Bytes of bodies that a user may send in a second, and twice as many after a pause; 0: no limit. */
  readonly bytesPerSecondByIdentity: number;
  /** How long it may take from the first byte that is passed on to the headers of the answer (ms). */
  readonly timeoutMs: number;
}

export interface Backend {
  readonly client: UpstreamClient;
  /** Default: the path that the client has asked for. */
  readonly path?: string | undefined;
  /** The headers that tell who asks. @throws NoTenantError, UpstreamError */
  readonly callerHeaders: (user: ScrapingUser | undefined) => Readonly<Record<string, string>>;
  readonly onFailure?: (error: UpstreamError) => void;
}

/** Kubernetes' verbs of requests for paths. TRACE would show the client what the backend is told of it. */
const methods: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/**
 * The headers of a request that are passed on. All others stay here: credentials, cookies, headers of the connection, and
 * what programs take for a user or a tenant. Only the caller's own headers tell those.
 */
const requestFields: readonly string[] = [
  ...['accept', 'accept-encoding', 'accept-language', 'cache-control'],
  ...['content-encoding', 'content-language', 'content-type'],
  ...['if-match', 'if-modified-since', 'if-none-match', 'if-unmodified-since', 'range'],
  'x-prometheus-remote-write-version',
];

/** Those of an answer, besides its length and type. A backend sets no cookies here and sends nobody to another server. */
const answerFields: readonly string[] = [
  ...['accept-ranges', 'allow', 'etag', 'last-modified', 'retry-after', 'vary', 'warning'],
  ...['content-disposition', 'content-encoding', 'content-language', 'content-range'],
  'x-prometheus-remote-write-exemplars-written',
  'x-prometheus-remote-write-histograms-written',
  'x-prometheus-remote-write-samples-written',
];

/** How long a backend may send nothing in the middle of an answer (ms). */
const stallTimeoutMs = 30_000;
/** After so many pieces of a body others have their turn: each is written on its own, however few bytes it has. */
const piecesPerTurn = 64;
/** More pieces have to be of so many bytes on average: until it is passed on, each takes hundreds of bytes of memory. */
const maxTinyPieces = 4096;
const tinyBytes = 16;
/** Buckets count KiB, so that their bound is beyond what a process can pass on. */
const bucketBytes = 1024;

/**
 * Stands last, beside the serving of expositions: passes a request for a path of the gateway on to its backend, and the
 * answer to the client, each no faster than the other side takes it. Nothing is kept. A request is sent once; only a GET
 * without a body is sent again where a kept connection was closed.
 */
export function passToBackend(
  gateway: Gateway,
  {
    scrapeWriteTimeoutMs = 10_000,
    scrapeDeadlineMs = 300_000,
  }: { readonly scrapeWriteTimeoutMs?: number; readonly scrapeDeadlineMs?: number },
  guard: Guard,
): Middleware {
  const { maxBodyBytes: maxBytes, bytesPerSecondByIdentity: bytesPerSecond, timeoutMs } = gateway;
  const listener: FilterListener = guard.listener ?? (() => undefined);
  const buckets =
    bytesPerSecond > 0 ? new RequestBuckets({ perSecond: bytesPerSecond / bucketBytes }) : undefined;
  const onCut = (): void => {
    listener({ kind: 'stalled-client' });
  };
  const deadline = new WriteDeadline({ timeoutMs: scrapeWriteTimeoutMs, totalMs: scrapeDeadlineMs, onCut });
  const backendOf = backendFinder(gateway.backends);

  const refuseTooLarge = (request: Request, response: ServerResponse): void => {
    requestState(request).rejected = 'a body that is too large';
    const message = `Request entity too large: limit is ${maxBytes}`;
    sendStatus(request, response, 'RequestEntityTooLarge', message);
  };

  const refuseTinyPieces = (request: Request, response: ServerResponse): void => {
    requestState(request).rejected = 'a body in too many tiny chunks';
    const message = 'the body comes in too many tiny chunks';
    sendStatus(request, response, 'BadRequest', message, closingHeaders(request));
  };

  const pass = async (
    request: Request,
    response: ServerResponse,
    [pattern, backend]: readonly [string, Backend],
    path: string,
    length: number,
    identity: Identity,
  ): Promise<false> => {
    const sender = nameAmongAll(identity);
    const ending = new AbortController();
    const gone = abortOnClose(response, ending);
    const body = new PassedBody(
      request,
      response,
      maxBytes,
      (bytes) => {
        buckets?.charge(sender, bytes / bucketBytes);
        return buckets?.waitFor(sender) ?? 0;
      },
      () => {
        ending.abort();
      },
    );
    let answerBytes = 0;
    try {
      const answer = await backend.client.send({
        method: request.method,
        target: targetAt(backend, path, requestTarget(request)),
        headers: {
          ...passedFields(request),
          ...framing(length, request),
          ...backend.callerHeaders(scrapingUserOf(identity)),
        },
        timeoutMs,
        stallTimeoutMs,
        signal: gone,
        ...(length > 0 && { writeBody: body.write }),
      });
      await checkAnswer(answer, request, backend);
      await sendAnswer(request, response, answer, deadline, (bytes) => {
        answerBytes += bytes;
      });
    } catch (cause) {
      const error = asUpstreamError(cause);
      if (error instanceof UpstreamError && !gone.aborted) tell('passToBackend', backend.onFailure, error);
      if (body.isTooLarge && !isAnswered(response)) refuseTooLarge(request, response);
      else if (body.isInTinyPieces && !isAnswered(response)) refuseTinyPieces(request, response);
      else answerFailure(request, response, error);
    } finally {
      body.stop();
      const code = response.headersSent ? response.statusCode : 0;
      listener({ kind: 'passed-on', path: pattern, code, requestBytes: body.bytes, answerBytes });
    }
    return false;
  };

  const step = waitingStep((request, response) => {
    const state = requestState(request);
    const { classification, identity } = state;
    if (classification?.kind !== 'gateway') return true;
    const { path } = classification;
    const found = backendOf(path);
    const isAllowed = state.isAllowed === true && state.allowedBy === guard && state.identifiedBy === guard;
    if (found === undefined || identity === undefined || !isAllowed) {
      // Reached only where a step was left out.
      sendStatus(request, response, 'Unauthorized', 'Unauthorized');
      return false;
    }
    if (refuseOtherMethods(request, response, methods)) return false;
    const length = bodyLength(request);
    const waitMs = length === 0 ? 0 : (buckets?.waitFor(nameAmongAll(identity)) ?? 0);
    if (length === undefined) {
      state.rejected = 'a body whose length is ambiguous';
      sendStatus(
        request,
        response,
        'BadRequest',
        'the length of the body is ambiguous',
        closingHeaders(request),
      );
    } else if (length > maxBytes && length !== Infinity) refuseTooLarge(request, response);
    else if (waitMs > 0) {
      state.rejected = 'too many bytes by this identity';
      listener({ kind: 'limited', by: 'bytes' });
      sendTooManyRequests(request, response, waitMs);
    } else return pass(request, response, found, path, length, identity);
    return false;
  }, answerFailure);
  // Its answer could not go out before, and its body is not read before.
  return (request, response, next) => {
    inTurn(request, response, () => {
      step(request, response, next);
    });
  };
}

/** Finds the backend of a path, and the path as it is configured. */
function backendFinder(backends: Gateway['backends']) {
  const trees = [...backends]
    .filter(([pattern]) => pattern.endsWith('/*'))
    .sort(([one], [other]) => other.length - one.length);
  return (path: string): readonly [string, Backend] | undefined => {
    const exact = backends.get(path);
    if (exact !== undefined) return [path, exact];
    return trees.find(([tree]) => path.startsWith(tree.slice(0, -1)));
  };
}

/** Bytes of a request's body, Infinity where it does not say; undefined where two readers might find different ends. */
function bodyLength(request: Request): number | undefined {
  const linesOf = (wanted: string): readonly string[] =>
    request.rawHeaders.filter((_, at, all) => at % 2 === 1 && all[at - 1]?.toLowerCase() === wanted);
  const lengths = linesOf('content-length');
  const codings = linesOf('transfer-encoding');
  const [length = '0'] = lengths;
  if (lengths.length + codings.length > 1 || !/^\d{1,15}$/.test(length)) return undefined;
  const [coding] = codings;
  if (coding !== undefined) return coding.toLowerCase() === 'chunked' ? Infinity : undefined;
  const stream = streamOf(request);
  return stream === undefined || lengths.length > 0 || stream.endAfterHeaders ? Number(length) : Infinity;
}

/** How the backend finds the end of the body; not needed where there is none. */
function framing(length: number, request: Request): Readonly<Record<string, string>> {
  if (length === Infinity) return { 'Transfer-Encoding': 'chunked' };
  return length > 0 || request.method === 'POST' ? { 'Content-Length': String(length) } : {};
}

/** What was decided on, encoded anew: the backend cannot find another path in it. */
function targetAt({ path: fixed }: Backend, path: string, asked: string): string {
  const query = (parseRequestTarget(asked)?.query ?? '').replaceAll('#', '%23');
  return fixed === undefined ? locationOf(path, query) : `${fixed}${locationOf('', query)}`;
}

function passedFields(request: Request): Readonly<Record<string, string>> {
  return Object.fromEntries(
    requestFields.flatMap((name) => {
      const value = headerValue(request, name);
      return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) ? [[name, value]] : [];
    }),
  );
}

/**
 * @throws UpstreamError for a status that ends no request, and where an answer that was cut off, or is coded for the
 * connection, would look whole.
 */
async function checkAnswer(
  { status, headers, isEndedByClose, body }: UpstreamAnswer,
  { method }: Request,
  { client }: Backend,
): Promise<void> {
  // Behind a 101, proxies in front would pass on whatever follows, and headers that only they may send.
  const isFinal = status >= 200 && status <= 599;
  const hasBody = method !== 'HEAD' && status !== 204 && status !== 304;
  const isCoded = !/^chunked$/i.test(headers['transfer-encoding'] ?? 'chunked');
  const hasSureEnd = !hasBody || !(isEndedByClose || isCoded);
  if (isFinal && hasSureEnd) return;
  await body.return();
  const fault = isFinal ? 'has neither a Content-Length nor plain chunks' : `answered ${status}`;
  throw new UpstreamError(`${client.address}: ${fault}`);
}

/** Resolves when it is out. */
async function sendAnswer(
  request: Request,
  response: ServerResponse,
  { status, contentType, contentLength, headers, body }: UpstreamAnswer,
  deadline: WriteDeadline,
  onBytes: (bytes: number) => void,
): Promise<void> {
  if (isClosed(response)) {
    await body.return();
    return;
  }
  const isHttp2 = streamOf(request) !== undefined;
  const isOld = !isHttp2 && Date.now() >= renewalOf(request.socket);
  const length = status === 204 ? undefined : contentLength;
  writeHead(request, response, status, contentType === '' ? null : contentType, length, {
    ...answerFieldsOf(headers),
    ...(isOld && { Connection: 'close' }),
  });
  response.strictContentLength = true;
  deadline.watch(response);
  await pumpBody(body[Symbol.asyncIterator](), response, onBytes);
}

function answerFieldsOf(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  const { location = '' } = headers;
  return Object.fromEntries([
    ...answerFields.flatMap((name) => {
      const value = headers[name];
      return value === undefined ? [] : [[name, String(value)] as const];
    }),
    // Within this server alone; an address of the backend is none of the client's business.
    ...(/^\/(?![/\\])[\x21-\x7e]*$/.test(location) ? [['location', location] as const] : []),
  ]);
}

/** Writes a request's body to the backend, no faster than it takes it. What is left when it stops is read and dropped. */
class PassedBody {
  bytes = 0;
  isTooLarge = false;
  isInTinyPieces = false;
  #pieces = 0;
  #outgoing: ClientRequest | undefined;
  #pause: NodeJS.Timeout | undefined;

  /** @param spend is told of all bytes; it returns how long to wait for more (ms). */
  constructor(
    private readonly request: Request,
    private readonly response: ServerResponse,
    private readonly maxBytes: number,
    private readonly spend: (bytes: number) => number,
    private readonly onRefused: () => void,
  ) {}

  readonly write = (outgoing: ClientRequest): void => {
    const state = requestState(this.request);
    if (state.awaitsContinue === true) {
      state.awaitsContinue = false;
      this.response.writeContinue();
    }
    this.#outgoing = outgoing;
    outgoing.on('drain', this.#resume);
    this.request.on('data', this.#onData);
    this.request.once('end', this.#onEnd);
  };

  stop(): void {
    clearTimeout(this.#pause);
    this.request.off('data', this.#onData).off('end', this.#onEnd);
    if (this.#outgoing === undefined) return;
    this.#outgoing.off('drain', this.#resume);
    if (!this.#outgoing.writableFinished) this.#outgoing.destroy();
    this.#outgoing = undefined;
    this.request.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.isTooLarge = this.bytes + chunk.byteLength > this.maxBytes;
    this.isInTinyPieces = this.#pieces >= maxTinyPieces && this.bytes < tinyBytes * this.#pieces;
    if (this.isTooLarge || this.isInTinyPieces) {
      this.stop();
      this.onRefused();
      return;
    }
    this.bytes += chunk.byteLength;
    const waitMs = this.spend(chunk.byteLength);
    const isTaken = this.#outgoing?.write(chunk) === true;
    this.#pieces += 1;
    const isTurnOver = this.#pieces % piecesPerTurn === 0;
    if (isTaken && waitMs === 0 && !isTurnOver) return;
    this.request.pause();
    if (waitMs === 0 && !isTurnOver) return;
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      if (this.#outgoing?.writableNeedDrain === false) this.request.resume();
    }, waitMs);
  };

  readonly #resume = (): void => {
    if (this.#pause === undefined) this.request.resume();
  };

  readonly #onEnd = (): void => {
    this.#outgoing?.end();
  };
}
