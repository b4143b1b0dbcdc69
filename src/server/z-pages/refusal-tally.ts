/** The parts of an audit event that make the reason of a refusal. */
export interface RefusedRequest {
  readonly code: number;
  readonly refusals?: readonly { readonly authenticator: string; readonly reason: string }[] | undefined;
  readonly noCredentials?: string | undefined;
}

const byCode: ReadonlyMap<number, string> = new Map([
  [400, 'the target or its scope is malformed'],
  [403, 'forbidden'],
  [404, 'no such path'],
  [429, 'too many requests'],
  [431, 'too many header fields'],
  [500, 'an internal error'],
  [501, 'metrics below a scope'],
  [503, 'not available for now'],
]);

/**
 * Reasons of authenticators, recognised by their wording. The rest of their text may contain names and is only in the
 * log.
 */
const spoken: readonly (readonly [RegExp, string])[] = [
  [/\bexpired\b/, 'expired'],
  [/\bnot valid before\b/, 'not valid yet'],
  [/^unknown token\b/, 'unknown token'],
  [/\bno JWT\b|\bnot base64url\b|^text behind\b/, 'not a token that can be read'],
  [/\bsignature is not valid\b/, 'the signature is not valid'],
  [/\bof another issuer\b/, 'of another issuer'],
  [/\bunknown key ID\b|^no key\b/, 'no key is known for it'],
  [/^audiences are not accepted\b/, 'meant for another audience'],
  [/^reviewer failed\b/, 'the reviewer failed'],
  [/^not authenticated\b/, 'the reviewer does not know it'],
  [/\bnot an allowed name\b/, 'not a front proxy that is allowed'],
  [/^failed\b/, 'the authenticator failed'],
];

/** One of a few texts, without names or addresses; undefined for an answer that is not a refusal. */
export function refusalReason({
  code,
  refusals = [],
  noCredentials = 'no credentials',
}: RefusedRequest): string | undefined {
  if (code !== 401) return byCode.get(code);
  const [first] = refusals;
  if (first === undefined) return noCredentials;
  const phrase = spoken.find(([pattern]) => pattern.test(first.reason))?.[1] ?? 'refused; the log says why';
  return `${first.authenticator}: ${phrase}`;
}

/** Requests refused for one reason. */
export interface CountedRefusal {
  readonly reason: string;
  readonly code: number;
  /** Since this process began to count. */
  readonly count: number;
  /** Milliseconds since the epoch. */
  readonly lastAt: number;
}

/** More than the built-in reasons; an application's authenticators may have any number of names. */
const maxReasons = 32;

/** Counts refused requests by reason; of more than 32 reasons, the least recent are forgotten. */
export class RefusalTally {
  /** The most recent reason is last. */
  readonly #counted = new Map<string, CountedRefusal>();
  readonly #now: () => number;

  /** `now` in ms since the epoch; default Date.now. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Called at the end of every request. */
  count(request: RefusedRequest): void {
    const reason = refusalReason(request);
    if (reason === undefined) return;
    const { code } = request;
    const key = `${code} ${reason}`;
    const count = (this.#counted.get(key)?.count ?? 0) + 1;
    this.#counted.delete(key);
    this.#counted.set(key, { reason, code, count, lastAt: this.#now() });
    const [oldest] = this.#counted.keys();
    if (this.#counted.size > maxReasons && oldest !== undefined) this.#counted.delete(oldest);
  }

  /** The most recent reason first. */
  get refusals(): readonly CountedRefusal[] {
    return [...this.#counted.values()].reverse();
  }
}
