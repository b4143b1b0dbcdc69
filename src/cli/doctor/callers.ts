import { booleanOf, isGiven, type FlagValues } from '../../options/flags.js';
import { serviceAccountSuffix, type Subject } from '../../policy/objects.js';
import { about, type Finding } from './finding.js';
import { flagNamed } from './given-flags.js';

/** Whom the server's authenticators can recognize. */
export interface Callers {
  /** Whether any method of authentication is configured. */
  readonly authenticated: boolean;
  /** Whether a request without credentials is system:anonymous. */
  readonly anonymous: boolean;
  /** Whether service accounts may come, and with them scopes: by their tokens, or by a front proxy. */
  readonly serviceAccounts: boolean;
}

/** The flags that configure a method of authentication, and whether it knows service accounts. */
const methods = {
  '--requestheader-client-ca-file': true,
  '--client-ca-file': false,
  '--token-auth-file': false,
  '--service-account-key-file': true,
  '--service-account-jwks-uri': true,
  '--oidc-issuer-url': false,
  '--authentication-kubeconfig': true,
  '--authentication-token-webhook-config-file': true,
} as const;
type Method = keyof typeof methods;

/** Those of them that are given. */
export function methodsIn(values: FlagValues): readonly Method[] {
  const names = Object.keys(methods) as readonly Method[];
  return names.filter((name) => isGiven(values, flagNamed(name)));
}

export function callersOf(values: FlagValues): Callers {
  const given = methodsIn(values);
  return {
    authenticated: given.length > 0,
    anonymous: booleanOf(values, flagNamed('--anonymous-auth')) !== 'false',
    serviceAccounts: given.some((name) => methods[name]),
  };
}

/** Whether callers can be authenticated; `given` are the flags for it. */
export function authenticationFinding(given: readonly string[], { anonymous }: Callers): Finding {
  if (given.length > 0) {
    const others = anonymous ? 'is anonymous' : 'is refused with 401';
    const message = `clients can be authenticated; a client without credentials ${others}`;
    return about('authentication', given.join(', '))('ok', message);
  }
  const at = about('authentication', 'no method');
  const advice = 'configure --client-ca-file, --token-auth-file or --requestheader-client-ca-file';
  return anonymous
    ? at('warning', `everybody is anonymous: ${advice}`)
    : at(
        'error',
        `nobody can authenticate, and --anonymous-auth=false refuses all others with 401: ${advice}`,
      );
}

/** Names as Kubernetes has them: DNS labels and, of an account, subdomains. */
const serviceAccountName = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?:[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?$/;
const kcpServiceAccountPrefix = 'system:kcp:serviceaccount:';

/**
 * Why no request can ever match this subject, whatever its credentials; undefined where one may. It goes on after the
 * subject: `has no namespace`.
 */
export function matchFault({ kind, name, namespace }: Subject, callers: Callers): string | undefined {
  if (name === '') return 'has an empty name';
  if (name.trim() !== name) return 'has white space at the beginning or end of its name';
  if (kind === 'ServiceAccount') {
    if (namespace === undefined || namespace === '') return 'has no namespace';
    return serviceAccountFault(callers);
  }
  if (isEverybody({ kind, name })) {
    // A caller whose scopes leave the root workspace out is anonymous there.
    const isPossible = callers.anonymous || callers.serviceAccounts;
    return isPossible ? undefined : 'is nobody with --anonymous-auth=false';
  }
  if (kind === 'Group') return undefined;
  const account = serviceAccountSuffix(name);
  if (account !== undefined && !serviceAccountName.test(account)) {
    return 'is not system:serviceaccount:<namespace>:<name>';
  }
  const isAccount = account !== undefined || name.startsWith(kcpServiceAccountPrefix);
  return isAccount ? serviceAccountFault(callers) : undefined;
}

/** Whether the subject stands for all requests without credentials. */
export function isEverybody({ kind, name }: Subject): boolean {
  return kind === 'User'
    ? name === 'system:anonymous'
    : kind === 'Group' && name === 'system:unauthenticated';
}

function serviceAccountFault({ serviceAccounts }: Callers): string | undefined {
  return serviceAccounts
    ? undefined
    : 'is a service account, and none can be authenticated here: configure --service-account-key-file, --authentication-kubeconfig or --requestheader-client-ca-file, or bind the user of a certificate or token';
}
