import { setTimeout as pause } from 'node:timers/promises';
import { Backoff } from '../../outgoing/backoff.js';
import { tell } from '../../tell.js';
import { jsonOf } from '../../outgoing/json-answer.js';
import type { ApiClient } from '../api-client.js';
import { member } from '../json.js';
import { ReviewError, reviewError } from '../kubernetes-errors.js';
import type { ReviewKind, ReviewObserver, ReviewVersion } from './review-kind.js';
import { ReviewOutage, type Admission, type ReviewOutageOptions } from './review-outage.js';
import { anObject, checkOptions, milliseconds, oneOf, optional } from '../../option-checks.js';

const owner = 'a client of a reviewer';

export interface ReviewOptions {
  /**
   * About a user who was accepted before. A quarter of the simultaneous questions is reserved for these, and outages
   * found by other questions do not count for them, so that unknown clients cannot keep them out. Default false.
   */
  readonly isKnown?: boolean;
}

/** Answers TokenReviews or SubjectAccessReviews. */
export interface Reviewer {
  readonly version: ReviewVersion;
  /** Whether the last question, for a known user or another, was not answered: the next may fail at once. */
  readonly isFailing: boolean;
  /**
   * The answer's `status`, as it came.
   *
   * @throws ReviewError
   */
  review(spec: object, options?: ReviewOptions): Promise<unknown>;
}

export interface ReviewClientOptions extends ReviewOutageOptions {
  /** Stays open when this client is closed. */
  readonly client: ApiClient;
  readonly kind: ReviewKind;
  /**
   * An `api-server` is asked below `/apis`. A `webhook` is asked at its kubeconfig's URL itself, without a slash at
   * its end, as Kubernetes asks it.
   */
  readonly target: 'api-server' | 'webhook';
  /** Default `v1`. */
  readonly version?: ReviewVersion;
  /** How long a question may take, a second try included (ms). Default 5,000. */
  readonly timeoutMs?: number;
  /** The most questions at a time. Default 64. */
  readonly maxUnderWay?: number;
  readonly observer?: ReviewObserver;
}

/** The largest answer (bytes): etcd's objects are no larger, either. */
const maxBytes = 1024 * 1024;

/**
 * Asks one reviewer. A question without an answer, or to an overloaded server, is asked a second time; after that, further
 * ones fail at once for a while (ReviewOutage). Outages found by unknown clients' questions are counted separately from
 * those of known users: a token made to bring the reviewer down is an unknown client's.
 */
export class ReviewClient implements Reviewer {
  readonly version: ReviewVersion;
  readonly #options: ReviewClientOptions;
  readonly #apiVersion: string;
  readonly #timeoutMs: number;
  readonly #outages: { readonly known: ReviewOutage; readonly strangers: ReviewOutage };
  readonly #underWay = new Set<AbortController>();
  #isClosed = false;

  constructor(options: ReviewClientOptions) {
    checkOptions(options, {
      client: anObject('what openApiClient resolves to'),
      kind: anObject('tokenReview or subjectAccessReview', 'group', 'resource'),
      target: oneOf('api-server', 'webhook'),
      timeoutMs: optional(milliseconds(1)),
    });
    const { kind, version = 'v1', timeoutMs = 5000 } = options;
    this.version = version;
    this.#options = options;
    this.#apiVersion = `${kind.group}/${version}`;
    this.#timeoutMs = timeoutMs;
    this.#outages = { known: new ReviewOutage(options), strangers: new ReviewOutage(options) };
  }

  get isFailing(): boolean {
    const { known, strangers } = this.#outages;
    return (known.reason ?? strangers.reason) !== undefined;
  }

  async review(spec: object, { isKnown = false }: ReviewOptions = {}): Promise<unknown> {
    const admission = this.#admit(isKnown);
    const end = new AbortController();
    const deadline = setTimeout(() => {
      end.abort();
    }, this.#timeoutMs);
    this.#underWay.add(end);
    try {
      const status = await this.#ask(spec, admission.isProbe, end.signal);
      admission.answered();
      return status;
    } catch (error) {
      const failure = end.signal.aborted ? this.#ended() : reviewError(this.#server, error);
      if (failure.failure === 'unavailable') admission.failed(failure.summary, failure.retryAfterMs);
      else admission.answered();
      throw failure;
    } finally {
      clearTimeout(deadline);
      this.#underWay.delete(end);
    }
  }

  /** Aborts questions in progress; later ones fail. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#underWay) end.abort();
  }

  get #server(): string {
    return this.#options.client.server;
  }

  #admit(isKnown: boolean): Admission {
    if (this.#isClosed) throw this.#ended();
    const { maxUnderWay = 64 } = this.#options;
    const limit = isKnown ? maxUnderWay : Math.ceil(maxUnderWay * 0.75);
    if (this.#underWay.size >= limit) {
      throw this.#noteUnasked('overload', `${this.#server}: not asked, with ${limit} questions under way`);
    }
    const outage = isKnown ? this.#outages.known : this.#outages.strangers;
    const admission = outage.admit();
    if (admission !== undefined) return admission;
    throw this.#noteUnasked('outage', `${outage.reason ?? this.#server}; not asked again yet`);
  }

  async #ask(spec: object, isProbe: boolean, signal: AbortSignal): Promise<unknown> {
    const startedAt = performance.now();
    try {
      return await this.#request(spec, signal);
    } catch (error) {
      const { failure, retryAfterMs } = reviewError(this.#server, error);
      const pauseMs = new Backoff({ baseMs: 100, capMs: 100 }).next(retryAfterMs);
      const isInTime = performance.now() - startedAt + pauseMs < this.#timeoutMs;
      if (isProbe || failure !== 'unavailable' || !isInTime) throw error;
      await pause(pauseMs, undefined, { signal });
      return this.#request(spec, signal);
    }
  }

  async #request(spec: object, signal: AbortSignal): Promise<unknown> {
    const { client, kind, target, observer } = this.#options;
    const apiVersion = this.#apiVersion;
    const path = target === 'webhook' ? '' : `/apis/${apiVersion}/${kind.resource}`;
    const json = { apiVersion, kind: kind.kind, spec };
    const startedAt = performance.now();
    let code = '<error>';
    try {
      const body = { contentType: 'application/json', json };
      const response = await client.send({ method: 'POST', path, body, timeoutMs: this.#timeoutMs, signal });
      code = String(response.status);
      const answer = await jsonOf(response, `${client.server}: the answer to POST ${path}`, maxBytes);
      if (member(answer, 'apiVersion') === apiVersion && member(answer, 'kind') === kind.kind) {
        return member(answer, 'status');
      }
      throw new ReviewError('malformed', `${client.server}: the answer is no ${apiVersion} ${kind.kind}`);
    } finally {
      tell(owner, observer?.onRequest, { code, seconds: (performance.now() - startedAt) / 1000 });
    }
  }

  #ended(): ReviewError {
    return this.#isClosed
      ? new ReviewError('closed', `${this.#server}: the reviewer's client is closed`)
      : new ReviewError('unavailable', `${this.#server}: no answer within ${this.#timeoutMs} ms`);
  }

  #noteUnasked(why: 'overload' | 'outage', message: string): ReviewError {
    tell(owner, this.#options.observer?.onUnasked, why);
    return new ReviewError(why, message);
  }
}
