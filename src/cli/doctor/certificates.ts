import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { authorityBundleFindings, type AuthorityBundle } from './authority-bundle-checks.js';
import { finding, type Finding } from './finding.js';
import { frontProxyFindings } from './front-proxy-checks.js';
import { servingCertificateFindings } from './serving-certificate-checks.js';
import { listOf, type Flag, type FlagValues } from '../../options/flags.js';
import { flagNamed, givenFile, givenSniPairs } from './given-flags.js';

/**
 * Whether clients will accept the certificate that is served. `now` in ms since the epoch; of the flags in `told` it
 * is known already that they cannot be used.
 */
export function servingFindings(
  values: FlagValues,
  now: number,
  told: ReadonlySet<string>,
): readonly Finding[] {
  const certificate = givenFile(values, '--tls-cert-file');
  const privateKey = givenFile(values, '--tls-private-key-file');
  if (certificate === undefined && privateKey === undefined) {
    return [
      finding(
        'warning',
        'serving-certificate',
        '--tls-cert-file',
        'is not given: each start makes a self-signed certificate for localhost, which no client can know',
      ),
    ];
  }
  // A start reads the one only where it can read the other.
  const unreadable = [certificate, privateKey].flatMap((given) =>
    given === undefined || told.has(given.flag.name) || readAgain(given.file) !== undefined
      ? []
      : [finding('error', 'serving-certificate', given.subject, 'cannot be read')],
  );
  const pem = certificate === undefined ? undefined : readAgain(certificate.file);
  if (certificate === undefined || pem === undefined) return unreadable;
  const isUnusable = !told.has(certificate.flag.name) && !isCertificate(pem);
  return [
    ...unreadable,
    ...(isUnusable
      ? [finding('error', 'serving-certificate', certificate.subject, 'holds no certificate in PEM')]
      : servingCertificateFindings({ subject: certificate.subject, pem }, now)),
  ];
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/** The same of the pairs for clients that ask for a name. `now` in ms since the epoch. */
export function sniFindings(values: FlagValues, now: number): readonly Finding[] {
  return givenSniPairs(values).flatMap(([{ file, subject }]) => {
    const pem = readAgain(file);
    return pem === undefined ? [] : servingCertificateFindings({ subject, pem }, now);
  });
}

/** Whether the bundles can vouch for clients and front proxies, and for each of them only. */
export function authorityFindings(values: FlagValues, now: number): readonly Finding[] {
  const clients = bundleOf(values, '--client-ca-file', 'client-ca');
  const proxies = bundleOf(values, '--requestheader-client-ca-file', 'front-proxy-ca');
  const bundles = [clients, proxies].flatMap((bundle) => bundle ?? []);
  const overlap =
    clients === undefined || proxies === undefined
      ? []
      : frontProxyFindings({
          subject: proxies.subject,
          clientAuthorities: clients.pem,
          proxyAuthorities: proxies.pem,
          allowedNames: listOf(values, flagNamed('--requestheader-allowed-names'))
            .map((name) => name.trim())
            .filter((name) => name !== ''),
        });
  return [...bundles.flatMap((bundle) => authorityBundleFindings(bundle, now)), ...overlap];
}

function bundleOf(
  values: FlagValues,
  flag: Flag['name'],
  check: AuthorityBundle['check'],
): AuthorityBundle | undefined {
  const given = givenFile(values, flag);
  const pem = given === undefined ? undefined : readAgain(given.file);
  return given === undefined || pem === undefined ? undefined : { check, subject: given.subject, pem };
}

/** What cannot be read has been told of when the flags were read; a pipe would be waited for without an end. */
function readAgain(file: string): string | undefined {
  try {
    return statSync(file).isFile() ? readFileSync(file, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}
