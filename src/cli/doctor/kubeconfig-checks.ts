import type { Kubeconfig } from '../../kubernetes/kubeconfig/kubeconfig.js';
import type { KubeconfigUser } from '../../kubernetes/kubeconfig/kubeconfig-user.js';
import { validityOf } from './certificate-validity.js';
import { finding, type Check, type Finding, type Level } from './finding.js';
import { pemCertificates, type PlacedCertificate } from './pem-certificates.js';

/** What a kubeconfig that can be read says of the way to its server. `now` in ms since the epoch. */
export function kubeconfigFindings(
  subject: string,
  { cluster, user }: Kubeconfig,
  now: number,
  check: Check = 'policy-source',
): readonly Finding[] {
  const at = (level: Level, message: string): Finding => finding(level, check, subject, message);
  const certificates = pemCertificates(user.clientCertificate?.certificate ?? '').slice(0, 1);
  return [
    ...(cluster.insecureSkipTlsVerify
      ? [
          at(
            'warning',
            'insecure-skip-tls-verify: whoever stands between decides who may scrape: name the certificate-authority instead',
          ),
        ]
      : []),
    ...(user.clientCertificate === undefined && user.credentials.kind === 'none'
      ? [at('warning', 'has no credentials: the server takes the requests for anonymous')]
      : []),
    ...lapses(certificates, now).map(({ level, words }) => at(level, `its client certificate ${words}`)),
    ...lapses(pemCertificates(cluster.authorities ?? ''), now).map(({ words }) =>
      at('warning', `of its certificate-authority, certificate ${words}`),
    ),
  ];
}

/** How a user proves himself, without a word of the proof: `client certificate "CN=reader" and a token`. */
export function credentialsOf({ clientCertificate, credentials, impersonatedUser }: KubeconfigUser): string {
  const [leaf] = pemCertificates(clientCertificate?.certificate ?? '');
  const methods = [
    ...(clientCertificate === undefined
      ? []
      : [`client certificate ${leaf?.certificate?.title ?? ''}`.trim()]),
    ...(credentials.kind === 'none' ? [] : [credentialNames[credentials.kind]]),
  ];
  const as = impersonatedUser === undefined ? '' : `, as ${JSON.stringify(impersonatedUser)}`;
  return `${methods.length === 0 ? 'no credentials' : methods.join(' and ')}${as}`;
}

const credentialNames = { token: 'a token', basic: 'a password', exec: 'an exec plugin' } as const;

interface Lapse {
  readonly level: Level;
  readonly words: string;
}

/** Those that have expired, will soon, or are not valid yet. */
function lapses(certificates: readonly PlacedCertificate[], now: number): readonly Lapse[] {
  return certificates.flatMap(({ certificate }) => {
    if (certificate === undefined) return [];
    const { level, words } = validityOf(certificate, now);
    return level === 'ok' ? [] : [{ level, words: `${certificate.title} ${words}` }];
  });
}
