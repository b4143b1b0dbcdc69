import { getHttpsJson, type HttpsJsonOptions } from '../../../outgoing/https-json.js';
import { parseJsonWebKeySet, type JsonWebKeys } from './json-web-key-set.js';
import { type KeySet, type VerificationKey } from './key-set.js';
import { RemoteKeySetRefresh } from './remote-key-set-refresh.js';
import { KeySetError } from '../../authentication-errors.js';

export interface RemoteKeySetOptions {
  /** Whose keys they are, for messages: an issuer, or the URL of a key set. */
  readonly owner: string;
  /** The https URL of a JSON Web Key Set, or what finds it, anew before each download. */
  readonly location: string | ((options: HttpsJsonOptions) => Promise<string>);
  /** The PEM authorities that may vouch for the server, asked for before each download. Default: those of Node. */
  readonly ca?: (() => string | undefined) | undefined;
  /** Told how each download ended; the reason is one line. */
  readonly onRefresh?: ((result: 'success' | 'failure', reason?: string) => void) | undefined;
  /** How long after a success the keys are downloaded again (ms), give or take a tenth. Default 10 minutes. */
  readonly refreshMs?: number;
  /** How far apart downloads are that tokens with unknown key IDs begin (ms). Default 10,000. */
  readonly unknownKeyRefreshMs?: number;
  /** How long such a token waits for a download (ms). Default 2,000. */
  readonly waitMs?: number;
  /** How long one request may take (ms). Default 10,000. */
  readonly timeoutMs?: number;
}

/** How many tokens wait for a download; beyond, their keys stay unknown at once. */
const maxWaiting = 256;
const noKeys: readonly VerificationKey[] = Object.freeze([]);

/**
 * The keys of a JSON Web Key Set on another server, kept at hand: they are downloaded in the background, from
 * when this is made until `close`. While the server is down the last good keys stay in force; those that a good
 * answer leaves out are gone. Tokens never wait for the first download, and for a later one only if it may bring
 * their key; however many there are, unknown key IDs begin one download in ten seconds.
 */
export class RemoteKeySet implements KeySet {
  readonly #options: RemoteKeySetOptions;
  readonly #refresh: RemoteKeySetRefresh;
  #keys: JsonWebKeys | undefined;
  /** Why there are no keys yet. */
  #failure = 'the first download is under way';
  #waiting = 0;

  constructor(options: RemoteKeySetOptions) {
    this.#options = options;
    const { refreshMs = 600_000, unknownKeyRefreshMs = 10_000, waitMs = 2_000 } = options;
    this.#refresh = new RemoteKeySetRefresh({
      download: (signal) => this.#download(signal),
      onEnd: (failure) => {
        this.#ended(failure);
      },
      everyMs: refreshMs,
      askedEveryMs: unknownKeyRefreshMs,
      waitMs,
    });
  }

  get version(): unknown {
    return this.#keys;
  }

  find({
    keyId,
  }: {
    readonly keyId: string | undefined;
  }): readonly VerificationKey[] | Promise<readonly VerificationKey[]> {
    if (this.#keys === undefined) {
      // Nobody waits for it, but whoever comes next may find keys.
      void this.#refresh.ask();
      return Promise.reject(
        new KeySetError(`the keys of ${this.#options.owner} are not loaded yet: ${this.#failure}`),
      );
    }
    if (keyId === undefined) return this.#keys.all;
    return this.#keys.byKeyId.get(keyId) ?? this.#findAfterRefresh(keyId);
  }

  /** Ends the download under way, and begins no other. The keys at hand stay. */
  close(): void {
    this.#refresh.close();
  }

  #findAfterRefresh(keyId: string): readonly VerificationKey[] | Promise<readonly VerificationKey[]> {
    const refreshed = this.#waiting < maxWaiting ? this.#refresh.ask() : undefined;
    if (refreshed === undefined) return noKeys;
    this.#waiting += 1;
    return refreshed.then(() => {
      this.#waiting -= 1;
      return this.#keys?.byKeyId.get(keyId) ?? noKeys;
    });
  }

  async #download(signal: AbortSignal): Promise<void> {
    const { location, ca, timeoutMs } = this.#options;
    const options: HttpsJsonOptions = {
      authorities: ca?.(),
      signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    };
    const url = typeof location === 'string' ? location : await location(options);
    const keys = parseJsonWebKeySet(await getHttpsJson(url, options));
    // What was verified with the same keys need not be verified again.
    if (keys.digest !== this.#keys?.digest) this.#keys = keys;
  }

  #ended(failure: string | undefined): void {
    if (failure !== undefined) this.#failure = failure;
    try {
      if (failure === undefined) this.#options.onRefresh?.('success');
      else this.#options.onRefresh?.('failure', failure);
    } catch (error) {
      process.emitWarning(`keys of ${this.#options.owner}: a callback failed: ${String(error)}`);
    }
  }
}
