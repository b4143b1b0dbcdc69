import { oneLine } from '../../../documents/one-line.js';
import type { Identity } from '../../identity.js';

export type Claims = Readonly<Record<string, unknown>>;

export interface ClaimedIdentity {
  readonly identity: Identity;
  /** Milliseconds since the epoch, exclusive. */
  readonly validUntil: number;
}

/** Why a token is refused; the message is the reason, for the operator's log. */
export class TokenFault extends Error {}

/** The longest quotation of a token's claim in a reason (characters). */
const maxLength = 128;
/** The last moment that a Date can hold (seconds since the epoch). */
const lastSecond = 8.64e12;

/** A NumericDate (RFC 7519, section 2) truncated to seconds, as in Kubernetes; undefined without one. @throws TokenFault */
export function timeIn(claims: Claims, name: 'exp' | 'iat' | 'nbf'): number | undefined {
  const value = claims[name];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Math.abs(value) <= lastSecond) return Math.trunc(value);
  throw new TokenFault(`${name} is no time`);
}

export function dateText(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** @throws TokenFault if `aud` (a string or a list of strings) has no accepted audience. */
export function requireAudience({ aud }: Claims, accepted: ReadonlySet<string>): void {
  if (aud === undefined) throw new TokenFault('there is no aud');
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!audiences.every((audience) => typeof audience === 'string')) {
    throw new TokenFault('aud is no list of strings');
  }
  if (audiences.some((audience) => accepted.has(audience))) return;
  throw new TokenFault(oneLine(`audiences are not accepted: ${JSON.stringify(audiences)}`, maxLength));
}
