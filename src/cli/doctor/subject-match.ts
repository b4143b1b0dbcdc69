import { type Subject, serviceAccountSuffix } from '../../policy/objects.js';

/** Whom the server's authenticators can find out. */
export interface Callers {
  /** Whether any method of authentication is configured. */
  readonly authenticated: boolean;
  /** Whether a request without credentials is system:anonymous. */
  readonly anonymous: boolean;
  /** Whether service accounts may come, and with them scopes: by their tokens, or by a front proxy. */
  readonly serviceAccounts: boolean;
}

/** Names as Kubernetes has them: DNS labels and, of an account, subdomains. */
const serviceAccountName = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?:[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?$/;
const kcpServiceAccountPrefix = 'system:kcp:serviceaccount:';

/**
 * Why no request will ever be this subject's, whoever sends it; undefined where one may. It goes on after the
 * subject: `has no namespace`.
 */
export function matchFault({ kind, name, namespace }: Subject, callers: Callers): string | undefined {
  if (name === '') return 'has an empty name';
  if (name.trim() !== name) return 'has white space at the beginning or end of its name';
  if (kind === 'ServiceAccount') {
    if (namespace === undefined || namespace === '') return 'has no namespace';
    return serviceAccountFault(callers);
  }
  if (isEverybody({ kind, name })) return anonymousFault(callers);
  if (kind === 'Group') return undefined;
  const account = serviceAccountSuffix(name);
  if (account !== undefined && !serviceAccountName.test(account)) {
    return 'is not system:serviceaccount:<namespace>:<name>';
  }
  return account !== undefined || name.startsWith(kcpServiceAccountPrefix)
    ? serviceAccountFault(callers)
    : undefined;
}

/** Whether the subject stands for all who bring no credentials. */
export function isEverybody({ kind, name }: Subject): boolean {
  return kind === 'User'
    ? name === 'system:anonymous'
    : kind === 'Group' && name === 'system:unauthenticated';
}

function serviceAccountFault({ serviceAccounts }: Callers): string | undefined {
  return serviceAccounts
    ? undefined
    : 'is a service account, whom nobody here knows: configure --service-account-key-file, --authentication-kubeconfig or --requestheader-client-ca-file, or bind the user of a certificate or token';
}

/** A caller whose scopes leave the root workspace out is anonymous there. */
function anonymousFault({ anonymous, serviceAccounts }: Callers): string | undefined {
  return anonymous || serviceAccounts ? undefined : 'is nobody with --anonymous-auth=false';
}
