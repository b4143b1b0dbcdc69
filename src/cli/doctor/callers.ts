import { certificates, serviceAccounts, tokens } from '../../options/authentication-options.js';
import { openid } from '../../options/openid-options.js';
import { isGiven, textOf, type GivenOptions, type Option } from '../../options/option.js';
import { tokenReview } from '../../options/reviewer-options.js';
import { isServiceAccountName, serviceAccountSuffix, type Subject } from '../../policy/objects.js';
import { about, type Finding } from './finding.js';

export interface Callers {
  readonly authenticated: boolean;
  /** Whether a request without credentials is system:anonymous. */
  readonly anonymous: boolean;
  /** Whether a client may be a service account, which may have scopes: by its token, or through a front proxy. */
  readonly serviceAccounts: boolean;
}

const { clientCaFile, requestheaderClientCaFile } = certificates.options;
const { anonymousAuth, tokenAuthFile } = tokens.options;

/** The options that configure a method of authentication, and whether it knows service accounts. */
const methods: readonly (readonly [Option, boolean])[] = [
  [requestheaderClientCaFile, true],
  [clientCaFile, false],
  [tokenAuthFile, false],
  [serviceAccounts.options.serviceAccountKeyFile, true],
  [serviceAccounts.options.serviceAccountJwksUri, true],
  [openid.options.oidcIssuerUrl, false],
  [tokenReview.options.authenticationKubeconfig, true],
  [tokenReview.options.authenticationTokenWebhookConfigFile, true],
];

export function methodsIn(values: GivenOptions): readonly string[] {
  return methods.filter(([option]) => isGiven(values, option)).map(([{ name }]) => name);
}

export function callersOf(values: GivenOptions): Callers {
  return {
    authenticated: methodsIn(values).length > 0,
    anonymous: textOf(anonymousAuth, values) !== 'false',
    serviceAccounts: methods.some(([option, knowsAccounts]) => knowsAccounts && isGiven(values, option)),
  };
}

/** How clients can be made known, for advice. */
export const authenticationAdvice = `configure ${clientCaFile.name}, ${tokenAuthFile.name} or ${requestheaderClientCaFile.name}`;

/** Whether callers can be authenticated; `given` are the flags for it. */
export function authenticationFinding(given: readonly string[], { anonymous }: Callers): Finding {
  if (given.length > 0) {
    const others = anonymous ? 'is anonymous' : 'is refused with 401';
    const message = `clients can be authenticated; a client without credentials ${others}`;
    return about('authentication', given.join(', '))('ok', message);
  }
  const at = about('authentication', 'no method');
  if (anonymous) return at('warning', `every client is anonymous: ${authenticationAdvice}`);
  const fault = `nobody can authenticate, and ${anonymousAuth.name}=false refuses all others with 401`;
  return at('error', `${fault}: ${authenticationAdvice}`);
}

/** Names as Kubernetes has them: DNS labels and, of an account, subdomains. */
const serviceAccountName = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?:[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?$/;
const kcpServiceAccountPrefix = 'system:kcp:serviceaccount:';

/**
 * Why no request can ever match this subject, whatever its credentials; undefined where one may. The words follow the
 * subject's name: `has no namespace`.
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
    return isPossible ? undefined : `is nobody with ${anonymousAuth.name}=false`;
  }
  if (kind === 'Group') return undefined;
  if (isServiceAccountName(name) && !serviceAccountName.test(serviceAccountSuffix(name) ?? '')) {
    return 'is not system:serviceaccount:<namespace>:<name>';
  }
  const isAccount = isServiceAccountName(name) || name.startsWith(kcpServiceAccountPrefix);
  return isAccount ? serviceAccountFault(callers) : undefined;
}

/** Whether the subject stands for all requests without credentials. */
export function isEverybody({ kind, name }: Subject): boolean {
  return kind === 'User'
    ? name === 'system:anonymous'
    : kind === 'Group' && name === 'system:unauthenticated';
}

function serviceAccountFault(callers: Callers): string | undefined {
  return callers.serviceAccounts
    ? undefined
    : `is a service account, and none can be authenticated here: configure ${serviceAccounts.options.serviceAccountKeyFile.name}, ${tokenReview.options.authenticationKubeconfig.name} or ${requestheaderClientCaFile.name}, or bind the user of a certificate or token`;
}
