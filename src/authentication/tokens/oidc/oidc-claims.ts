import { credentialIdKey, frozenIdentity, type Identity } from '../../identity.js';
import { TokenFault, type Claims } from '../jwt/claims.js';

/** How a token's claims become a user. */
export interface ClaimMapping {
  readonly usernameClaim: string;
  /** Empty for none. */
  readonly usernamePrefix: string;
  readonly groupsClaim: string | undefined;
  /** Empty for none. */
  readonly groupsPrefix: string;
  readonly requiredClaims: ReadonlyMap<string, string>;
}

/** The prefix of the API server's own users and groups. */
export const systemPrefix = 'system:';

/** The longest claim name in a reason. */
const maxQuoted = 128;

/**
 * The user in verified claims, by kube-apiserver's rules. Stricter than kube-apiserver: names that are empty or begin
 * with `system:` are refused, lists must hold strings only, and no other server is asked for claims. Groups with empty
 * names are left out.
 * @throws TokenFault for a missing or invalid claim.
 */
export function claimedIdentity(claims: Claims, mapping: ClaimMapping): Identity {
  for (const [name, value] of mapping.requiredClaims) {
    const claim = claimOf(claims, name);
    if (claim === undefined) throw new TokenFault(`there is no required claim ${quoted(name)}`);
    if (claim !== value) throw new TokenFault(`the required claim ${quoted(name)} has another value`);
  }
  const name = usernameIn(claims, mapping);
  const tokenId = claimOf(claims, 'jti');
  const hasId = typeof tokenId === 'string' && tokenId !== '';
  const extra = hasId ? [[credentialIdKey, [`JTI=${tokenId}`]] as const] : [];
  return frozenIdentity(name, groupsIn(claims, mapping), undefined, extra);
}

function usernameIn(claims: Claims, { usernameClaim, usernamePrefix }: ClaimMapping): string {
  const claim = claimOf(claims, usernameClaim);
  if (typeof claim !== 'string' || claim === '') {
    throw new TokenFault(`the user name's claim ${quoted(usernameClaim)} is no text, or empty`);
  }
  const { email_verified: isVerified = true } = claims;
  if (usernameClaim === 'email' && isVerified !== true) {
    throw new TokenFault('the email address is not verified');
  }
  const name = `${usernamePrefix}${claim}`;
  if (name.startsWith(systemPrefix)) throw new TokenFault(`the user name begins with ${systemPrefix}`);
  return name;
}

function groupsIn(claims: Claims, { groupsClaim, groupsPrefix }: ClaimMapping): readonly string[] {
  if (groupsClaim === undefined) return [];
  const claim = claimOf(claims, groupsClaim);
  if (claim === undefined) requireNotElsewhere(claims, groupsClaim);
  const groups = textsOf(claim);
  if (groups === undefined) {
    throw new TokenFault(`the groups' claim ${quoted(groupsClaim)} is neither text nor a list of texts`);
  }
  const names = groups.filter((group) => group !== '').map((group) => `${groupsPrefix}${group}`);
  if (names.some((name) => name.startsWith(systemPrefix))) {
    throw new TokenFault(`a group's name begins with ${systemPrefix}`);
  }
  return names;
}

/** Aggregated and distributed claims (OpenID Connect Core 1.0, section 5.6.2) stand in other documents. */
function requireNotElsewhere(claims: Claims, groupsClaim: string): void {
  const elsewhere = claimOf(claims, '_claim_names');
  if (elsewhere === undefined) return;
  if (typeof elsewhere !== 'object' || elsewhere === null || Object.hasOwn(elsewhere, groupsClaim)) {
    throw new TokenFault(`the groups' claim ${quoted(groupsClaim)} stands elsewhere, and is not fetched`);
  }
}

/** JSON's null counts as an empty list, as in Go. */
function textsOf(claim: unknown): readonly string[] | undefined {
  if (claim === undefined || claim === null) return [];
  if (typeof claim === 'string') return [claim];
  return Array.isArray(claim) && claim.every((item) => typeof item === 'string') ? claim : undefined;
}

/** Own members only: `constructor` is not a claim. */
function claimOf(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

function quoted(name: string): string {
  return JSON.stringify(name).slice(0, maxQuoted);
}
