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
  [413, 'a body that is too large'],
  [429, 'too many requests'],
  [431, 'too many header fields'],
  [500, 'an internal error'],
  [501, 'metrics below a scope'],
  [503, 'not available for now'],
]);

/** Reasons of authenticators, by their wording; the rest of their text may hold names and is only in the log. */
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
