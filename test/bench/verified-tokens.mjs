import { parsePublicKeys } from '../../dist/authentication/tokens/jwt/verification-keys.js';
import { serviceAccountAuthenticator } from '../../dist/authentication/tokens/service-account.js';
import { nanosecondsEach, nanosecondsPerCall } from './measure.mjs';
import { goalRow, plainRow } from './report.mjs';
import { forgedToken, issuer, signedToken, signingKey } from './signed-tokens.mjs';
import { staticKeySet } from '../../dist/authentication/tokens/jwt/key-set.js';

const tokens = 1200;

/** Tokens that are verified here, by their signatures. */
export async function verifiedTokenRows() {
  const keys = [signingKey('RS256'), signingKey('ES256')];
  const [rsa] = keys;
  const known = keys.flatMap(({ publicPem }) => parsePublicKeys(publicPem, 'bench.pem'));
  const authenticator = serviceAccountAuthenticator({
    keys: staticKeySet(known),
    issuers: [issuer],
    audiences: [issuer],
  });
  /** Each token once, one after the other: how long a scrape waits for it. */
  const first = (make, expected) =>
    nanosecondsEach({
      inputs: Array.from({ length: tokens }, (_, number) => bearing(make(number))),
      warmups: tokens / 4,
      call: async (credentials) => expectKind(await authenticator.authenticate(credentials), expected),
    });
  const rows = [];
  for (const key of keys) {
    const figures = await first((number) => signedToken(key, number), 'authenticated');
    rows.push(goalRow(`service-account token, ${key.algorithm}, first time`, figures, 200_000));
  }
  const again = bearing(signedToken(rsa, tokens));
  expectKind(await authenticator.authenticate(again), 'authenticated');
  const cached = nanosecondsPerCall({
    batches: 400,
    inputs: () => Array.from({ length: 64 }, () => again),
    call: (credentials) => expectKind(authenticator.authenticate(credentials), 'authenticated'),
  });
  const foreign = await first((number) => signedToken(rsa, number, { iss: 'https://elsewhere' }), 'refused');
  const forged = await first((number) => forgedToken(rsa, number), 'refused');
  return [
    ...rows,
    goalRow('service-account token, again', cached, 2000),
    plainRow('service-account token of another issuer', foreign),
    plainRow('service-account token, RS256, with a bad signature', forged),
  ];
}

export function bearing(token) {
  return { headers: { authorization: [`Bearer ${token}`] } };
}

function expectKind({ kind, reason }, expected) {
  if (kind !== expected) throw new Error(`a token is ${kind}: ${reason}`);
}
