import { readWhole } from '../../outgoing/json-answer.js';
import { ApiStatusError } from '../../outgoing/outgoing-errors.js';
import { presentOnly } from '../../present-only.js';
import type { TimeSlice } from '../../time-slice.js';
import type { ApiClient, ApiResponse } from '../api-client.js';
import { failureOf, ReflectorFailure, type ReflectorFault } from '../kubernetes-errors.js';
import { member, parseJson, stringMember, type ObjectKey } from '../json.js';
import type { ReflectorTiming } from './reflector-options.js';

const maxStatusBytes = 64 * 1024;

/** What a reflector's requests have in common. */
export interface Requests {
  readonly client: ApiClient;
  readonly path: string;
  /** Of a list and of a watch: the label selector, if there is one. */
  readonly selector: { readonly labelSelector?: string };
  readonly keyOf: ObjectKey;
  readonly timing: ReflectorTiming;
  readonly slice: TimeSlice;
  /** Ends all of them. */
  readonly signal: AbortSignal;
  /** Those that have no answer yet. */
  readonly unanswered: Set<StreamedAnswer>;
}

interface StreamedRequest extends Pick<Requests, 'client' | 'path' | 'signal'> {
  readonly unanswered?: Requests['unanswered'];
  readonly query?: Readonly<Record<string, string>>;
  /** See ApiRequest. */
  readonly isProbe?: boolean;
  /** How long the answer's headers may take (ms). */
  readonly headersMs: number;
  /** How long the answer may pause (ms). */
  readonly silenceMs: number;
  /** How long all of it may take, however much comes (ms). */
  readonly totalMs: number;
  /** Told when nothing has come for `afterMs`, once in each pause. */
  readonly quiet?: { readonly afterMs: number; readonly tell: () => void };
}

/**
 * An answer of the API server, read as it arrives. If nothing arrives for too long, the peer is assumed to have vanished
 * and the connection is closed. Time counts only while waiting for the next bytes.
 */
export class StreamedAnswer {
  /** How long the answer may pause (ms). */
  silenceMs: number;
  /** The body's bytes. Throws ReflectorFailure where they stop coming before the end. */
  readonly chunks = this.#chunks();
  readonly #ending = new AbortController();
  readonly #end = (): void => {
    this.#ending.abort();
  };
  #response: ApiResponse | undefined;
  /** Each ends what is waited for. */
  readonly #waits: (() => void)[] = [];
  #failure: ReflectorFailure | undefined;
  #isComplete = false;

  constructor(private readonly request: StreamedRequest) {
    this.silenceMs = request.silenceMs;
  }

  /** The answer's head and body; undefined until its headers have come. */
  get response(): ApiResponse | undefined {
    return this.#response;
  }

  /** Who answers; known when it is open. */
  get server(): string {
    return this.#response?.server ?? '';
  }

  /**
   * Runs `use` when a success' headers have come, then ends what is left of the answer.
   *
   * @throws ReflectorFailure for any other answer, or none; what `use` throws.
   */
  async during<Result>(use: () => Promise<Result>): Promise<Result> {
    const { signal, totalMs } = this.request;
    signal.addEventListener('abort', this.#end, { once: true });
    if (signal.aborted) this.#end();
    const last = setTimeout(() => {
      this.#stall(`was not at its end after ${totalMs / 1000} s`);
    }, totalMs);
    try {
      await this.#open();
      return await use();
    } finally {
      this.#expectNothing();
      clearTimeout(last);
      signal.removeEventListener('abort', this.#end);
      // After a whole answer its connection serves the next.
      if (!this.#isComplete) this.#end();
      // Why the rest fails is known already.
      await this.chunks.return().catch(() => undefined);
    }
  }

  /** Reads a small answer to its end, so that its connection serves the next. @throws ReflectorFailure */
  async drain(): Promise<void> {
    if (this.#response !== undefined) await this.#readText(this.#response);
  }

  /** Ends the request if no answer has come yet. */
  hangUp(): void {
    if (this.#response !== undefined) return;
    this.#fail(new ReflectorFailure('connection', 'no answer had come when the server was found back'));
  }

  async #open(): Promise<void> {
    const { client, path, query, isProbe, headersMs, unanswered } = this.request;
    this.#expectWithin(headersMs);
    unanswered?.add(this);
    try {
      this.#response = await client.send({
        method: 'GET',
        path,
        ...presentOnly({ query, isProbe }),
        // The deadline here comes first, so that it is the one that is told of.
        timeoutMs: headersMs * 2,
        signal: this.#ending.signal,
      });
    } catch (error) {
      throw this.#failure ?? failureOf(error);
    } finally {
      unanswered?.delete(this);
      this.#expectNothing();
    }
    const { status } = this.#response;
    if (status < 200 || status > 299) throw await this.#refusal(this.#response);
  }

  async *#chunks(): AsyncGenerator<Buffer, void, undefined> {
    if (this.#response === undefined) return;
    try {
      this.#expectMore();
      for await (const chunk of this.#response.body) {
        this.#expectNothing();
        yield chunk;
        this.#expectMore();
      }
      this.#isComplete = true;
    } catch (error) {
      throw this.#failure ?? failureOf(error);
    } finally {
      this.#expectNothing();
    }
  }

  async #refusal(response: ApiResponse): Promise<ReflectorFailure> {
    const { status, retryAfterMs } = response;
    // The status tells enough where the body cannot be read.
    const body = await this.#readText(response)
      .then(parseJson)
      .catch(() => undefined);
    return statusFailure(status, body, retryAfterMs);
  }

  /** Empty for what is too large to be a Status. */
  async #readText({ body }: ApiResponse): Promise<string> {
    this.#expectWithin(this.request.headersMs);
    const bytes = await readWhole(body, maxStatusBytes).finally(() => {
      this.#expectNothing();
    });
    this.#isComplete = bytes !== undefined;
    return bytes?.toString() ?? '';
  }

  #expectMore(): void {
    this.#expectWithin(this.silenceMs);
    const { quiet } = this.request;
    if (quiet !== undefined) this.#waits.push(whenSilent(quiet.afterMs, quiet.tell));
  }

  #expectWithin(ms: number): void {
    const stall = (): void => {
      this.#stall(`nothing came for ${ms / 1000} s`);
    };
    this.#waits.push(whenSilent(ms, stall));
  }

  #stall(message: string): void {
    this.#fail(new ReflectorFailure('stalled', message));
  }

  #fail(failure: ReflectorFailure): void {
    this.#failure = failure;
    this.#end();
  }

  #expectNothing(): void {
    for (const end of this.#waits.splice(0)) end();
  }
}

/** Calls `tell` after `ms`, unless it is ended before. Data that arrived while this process was busy counts. */
function whenSilent(ms: number, tell: () => void): () => void {
  let check: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    check = setImmediate(tell);
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(check);
  };
}

/**
 * The failure for an answer's status, or an ERROR event's, such as `403 Forbidden: …`.
 *
 * @param object the Status, where there is one; whatever is missing in it or of another type is left out.
 * @param retryAfterMs of the answer's header; without it the Status' own counts.
 */
function statusFailure(
  code: number,
  object: unknown,
  retryAfterMs?: number,
  isEvent = false,
): ReflectorFailure {
  const error = new ApiStatusError(code, object, retryAfterMs);
  const fault = isAhead(object) ? 'expired' : (faultOf.get(code) ?? 'status');
  const head = error.reason === undefined ? String(code) : `${code} ${error.reason}`;
  // Operators can fix client errors; the messages of other failures differ each time.
  const isForOperator = fault === 'refused' || (fault === 'status' && code >= 400 && code < 500);
  const isTold = isForOperator && stringMember(object, 'message') !== undefined;
  const message = isTold ? `${head}: ${error.message}` : head;
  return new ReflectorFailure(fault, message, code, error.retryAfterMs, isEvent);
}

/** The failure that an ERROR event's Status tells of. */
export function errorEventFailure(object: unknown): ReflectorFailure {
  const code = member(object, 'code');
  const isCode = typeof code === 'number' && Number.isInteger(code);
  return statusFailure(isCode ? code : 500, object, undefined, true);
}

const faultOf: ReadonlyMap<number, ReflectorFault> = new Map([
  [410, 'expired'],
  [401, 'refused'],
  [403, 'refused'],
  [429, 'throttled'],
]);

/** The server is behind the requested resourceVersion: it was restored, or another one answers that lags. */
function isAhead(object: unknown): boolean {
  const causes = member(object, 'details', 'causes');
  return (
    Array.isArray(causes) && causes.some((cause) => member(cause, 'reason') === 'ResourceVersionTooLarge')
  );
}
