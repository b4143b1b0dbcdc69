import { messageOf } from '../../../error-class.js';
import { presentOnly } from '../../../present-only.js';
import { Backoff } from '../../../outgoing/backoff.js';
import { getHttpsJson, type HttpsJsonOptions } from '../../../outgoing/https-json.js';
import { tell } from '../../../tell.js';
import { KeySetError } from '../../authentication-errors.js';
import type { KeyHeader, KeySet, VerificationKey } from './key-set.js';
import { parseJsonWebKeySet, type JsonWebKeys } from './verification-keys.js';
import { aFunction, aText, checkOptions, must, optional } from '../../../option-checks.js';

export interface RemoteKeySetOptions {
  /** Whose keys they are, for messages: an issuer, or the URL of a key set. */
  readonly owner: string;
  /** The https URL of a JSON Web Key Set, or a function that finds it, called before each download. */
  readonly location: string | ((options: HttpsJsonOptions) => Promise<string>);
  /** Returns the PEM bundle of the server's CAs; called before each download. Default: the CAs of Node. */
  readonly ca?: (() => string | undefined) | undefined;
  /** Called with the result of each download; the reason is one line. */
  readonly onRefresh?: ((result: 'success' | 'failure', reason?: string) => void) | undefined;
  /** How long after a success to download the keys again (ms, ± 10 %). Default 10 minutes. */
  readonly refreshMs?: number;
  /** The least time between downloads caused by tokens with unknown key IDs (ms). Default 10,000. */
  readonly unknownKeyRefreshMs?: number;
  /** How long such a token waits for a download (ms). Default 2,000. */
  readonly waitMs?: number;
  /** How long one request may take (ms). Default 10,000. */
  readonly timeoutMs?: number;
}

/** How many tokens may wait for a download; beyond that, unknown keys stay unknown at once. */
const maxWaiting = 256;
const noKeys: readonly VerificationKey[] = Object.freeze([]);

/**
 * The keys of a JSON Web Key Set on another server, downloaded in the background, one download at a time, until `close`.
 * While the server is down the last good keys stay in force; keys missing from a good answer are dropped, also all of them:
 * an issuer that withdraws its only key means it, and is asked again soon. Tokens never wait for the first download, and
 * for a later one only if it may bring their key; unknown key IDs start at most one download in ten seconds.
 */
export class RemoteKeySet implements KeySet {
  readonly #options: RemoteKeySetOptions;
  readonly #backoff = new Backoff({ baseMs: 1_000, capMs: 60_000 });
  readonly #closing = new AbortController();
  #keys: JsonWebKeys | undefined;
  /** Why there are no keys yet. */
  #failure = 'the first download is under way';
  #waiting = 0;
  #next: NodeJS.Timeout | undefined;
  /** The current download: resolves when it ends or when no caller waits for it any longer. */
  #waitable: Promise<void> | undefined;
  #askedAt = -Infinity;

  constructor(options: RemoteKeySetOptions) {
    checkOptions(options, {
      owner: aText,
      location: must('a URL, or a function', (value) => ['string', 'function'].includes(typeof value)),
      ca: optional(aFunction),
    });
    this.#options = options;
    this.#start();
  }

  get version(): unknown {
    return this.#keys;
  }

  find({ keyId }: KeyHeader): readonly VerificationKey[] | Promise<readonly VerificationKey[]> {
    if (this.#keys === undefined) {
      // No caller waits for it, but the next one may find its keys.
      void this.#ask();
      const { owner } = this.#options;
      return Promise.reject(new KeySetError(`the keys of ${owner} are not loaded yet: ${this.#failure}`));
    }
    if (keyId === undefined) return this.#keys.all;
    return this.#keys.byKeyId.get(keyId) ?? this.#findAfterRefresh(keyId);
  }

  /** Aborts the current download and starts no other. The present keys stay. */
  close(): void {
    this.#closing.abort();
    clearTimeout(this.#next);
  }

  #findAfterRefresh(keyId: string): readonly VerificationKey[] | Promise<readonly VerificationKey[]> {
    const refreshed = this.#waiting < maxWaiting ? this.#ask() : undefined;
    if (refreshed === undefined) return noKeys;
    this.#waiting += 1;
    return refreshed.then(() => {
      this.#waiting -= 1;
      return this.#keys?.byKeyId.get(keyId) ?? noKeys;
    });
  }

  /** Starts a download unless one runs or just did; resolves at its end or that of the wait, if there is one. */
  #ask(): Promise<void> | undefined {
    const { unknownKeyRefreshMs = 10_000 } = this.#options;
    const now = performance.now();
    if (this.#waitable === undefined && now - this.#askedAt >= unknownKeyRefreshMs) {
      this.#askedAt = now;
      this.#start();
    }
    return this.#waitable;
  }

  #start(): void {
    clearTimeout(this.#next);
    if (this.#closing.signal.aborted) return;
    let waited: NodeJS.Timeout | undefined;
    const longEnough = new Promise<void>((resolve) => {
      waited = setTimeout(resolve, this.#options.waitMs ?? 2_000).unref();
    });
    const end = this.#refresh().finally(() => {
      clearTimeout(waited);
      this.#waitable = undefined;
    });
    this.#waitable = Promise.race([end, longEnough]);
  }

  async #refresh(): Promise<void> {
    const { owner, onRefresh, refreshMs = 600_000 } = this.#options;
    let delayMs: number;
    let failure: string | undefined;
    try {
      await this.#download();
      this.#backoff.reset();
      delayMs = refreshMs * (0.9 + 0.2 * Math.random());
    } catch (error) {
      failure = messageOf(error);
      delayMs = this.#backoff.next();
    }
    if (this.#closing.signal.aborted) return;
    this.#failure = failure ?? this.#failure;
    this.#next = setTimeout(() => {
      this.#start();
    }, delayMs).unref();
    if (failure === undefined) tell(`the keys of ${owner}`, onRefresh, 'success');
    else tell(`the keys of ${owner}`, onRefresh, 'failure', failure);
  }

  async #download(): Promise<void> {
    const { location, ca, timeoutMs } = this.#options;
    const options: HttpsJsonOptions = {
      authorities: ca?.(),
      signal: this.#closing.signal,
      ...presentOnly({ timeoutMs }),
    };
    const url = typeof location === 'string' ? location : await location(options);
    const keys = parseJsonWebKeySet(await getHttpsJson(url, options));
    // With the same keys, earlier results stay valid.
    if (keys.digest !== this.#keys?.digest) this.#keys = keys;
    if (keys.all.length > 0) return;
    throw new KeySetError(`the key set has no key that can be used, of ${keys.published}`);
  }
}
