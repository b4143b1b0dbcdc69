import type { Callers } from './subject-match.js';
import { isGiven, type FlagValues } from '../../options/flags.js';
import { booleanOf } from '../../options/flags.js';
import { flagNamed } from './given-flags.js';

/** The flags that make the server know somebody. */
const methods = [
  '--requestheader-client-ca-file',
  '--client-ca-file',
  '--token-auth-file',
  '--service-account-key-file',
  '--service-account-jwks-uri',
  '--oidc-issuer-url',
  '--authentication-kubeconfig',
  '--authentication-token-webhook-config-file',
] as const;

const knowsServiceAccounts: ReadonlySet<string> = new Set<(typeof methods)[number]>([
  '--requestheader-client-ca-file',
  '--service-account-key-file',
  '--service-account-jwks-uri',
  '--authentication-kubeconfig',
  '--authentication-token-webhook-config-file',
]);

/** Those of them that are given. */
export function methodsIn(values: FlagValues): readonly string[] {
  return methods.filter((name) => isGiven(values, flagNamed(name)));
}

/** Whom the server would find out, by its flags. */
export function callersOf(values: FlagValues): Callers {
  const given = methodsIn(values);
  return {
    authenticated: given.length > 0,
    anonymous: booleanOf(values, flagNamed('--anonymous-auth')) !== 'false',
    serviceAccounts: given.some((name) => knowsServiceAccounts.has(name)),
  };
}
