import { certificates } from '../../options/authentication-options.js';
import type { GivenOptions, Option } from '../../options/option.js';
import type { Certificate } from '../../authentication/certificates/certificate.js';
import { vouchedFor } from '../../authentication/certificates/certificate-chains.js';
import { pemCertificates, validityOf, weaknessesOf } from './certificate-health.js';
import { about, finding, those, type Check, type Finding } from './finding.js';
import { givenFile, textsOf } from './given-files.js';

const clientAuth = '1.3.6.1.5.5.7.3.2';

/** Checks that the CA bundles verify clients and front proxies, and do not mix them up. */
export function authorityFindings(values: GivenOptions, now: number): readonly Finding[] {
  const { clientCaFile, requestheaderClientCaFile, requestheaderAllowedNames } = certificates.options;
  const bundleOf = (check: Check, option: Option) => {
    const given = givenFile(values, option);
    const pem = given?.text;
    return given && pem !== undefined ? { check, subject: given.subject, pem } : undefined;
  };
  const clients = bundleOf('client-ca', clientCaFile);
  const proxies = bundleOf('front-proxy-ca', requestheaderClientCaFile);
  const allowedNames = textsOf(values, requestheaderAllowedNames)
    .map((name) => name.trim())
    .filter(Boolean);
  return [
    ...[clients, proxies].flatMap((bundle) => (bundle ? authorityBundleFindings(bundle, now) : [])),
    ...(clients && proxies
      ? frontProxyFindings(proxies.subject, clients.pem, proxies.pem, allowedNames)
      : []),
  ];
}

/**
 * Checks that the CAs of a bundle can verify client certificates. An unreadable certificate is skipped: a
 * start fails for it. `now` in ms since the epoch.
 */
export function authorityBundleFindings(
  { check, subject, pem }: { readonly check: Check; readonly subject: string; readonly pem: string },
  now: number,
): readonly Finding[] {
  const at = about(check, subject);
  const findings: Finding[] = [];
  const places = new Map<string, number>();
  let usable = 0;
  for (const { place, certificate } of pemCertificates(pem)) {
    if (certificate === undefined) continue;
    const named = `certificate ${place}, ${certificate.title},`;
    const first = places.get(certificate.sha256Hex);
    if (first !== undefined) {
      findings.push(at('warning', `${named} is the same as certificate ${first}: remove one of them`));
      continue;
    }
    places.set(certificate.sha256Hex, place);
    const validity = validityOf(certificate, now);
    const faults = authorityFaults(certificate);
    if (faults.length === 0 && validity.level !== 'error') usable += 1;
    // An expired CA may stay next to its successor for a while.
    findings.push(at(validity.level === 'error' ? 'warning' : validity.level, `${named} ${validity.words}`));
    // A CA is trusted because it is in the bundle; its own signature does not matter.
    const weaknesses = weaknessesOf({ ...certificate, hasStrongSignature: true });
    for (const fault of [...faults, ...weaknesses.map((weakness) => `${weakness}: renew it`)]) {
      findings.push(at('warning', `${named} ${fault}`));
    }
  }
  if (usable === 0 && places.size > 0) {
    findings.push(at('error', 'no certificate in it can verify a client: add the right CA'));
  }
  return findings;
}

/** Why no certificate signed by it would be accepted. */
function authorityFaults(certificate: Certificate): readonly string[] {
  const { unknownCriticalExtension, extendedKeyUsages } = certificate;
  return those(
    [!certificate.isAuthority, 'is not a CA: add the CA that signs client certificates'],
    [!certificate.maySignCertificates, 'may not sign certificates: its keyUsage lacks keyCertSign'],
    [
      certificate.hasNameConstraints,
      'has name constraints, which are not supported: all certificates it signed are refused',
    ],
    [
      unknownCriticalExtension !== undefined,
      `has the unknown critical extension ${unknownCriticalExtension ?? ''}: all certificates it signed are refused`,
    ],
    [
      extendedKeyUsages?.includes(clientAuth) === false,
      'is not for client authentication: its extended key usages lack clientAuth',
    ],
  );
}

/**
 * Kubernetes warns of one CA for clients and front proxies ("CA reusage and conflicts"). Without allowed names, it ends the
 * start; with them, the CA has to keep these names for front proxies. Both bundles are PEM.
 */
export function frontProxyFindings(
  subject: string,
  clientAuthorities: string,
  proxyAuthorities: string,
  allowedNames: readonly string[],
): readonly Finding[] {
  if (allowedNames.length === 0) return [];
  const names = allowedNames.map((name) => JSON.stringify(name)).join(', ');
  const reminder = 'make sure it signs these names for front proxies only';
  return vouchedFor(certificatesOf(clientAuthorities), certificatesOf(proxyAuthorities)).map(({ title }) =>
    finding(
      'ok',
      'front-proxy-ca',
      subject,
      `clients of ${title} are accepted as front proxies with the CN ${names}: ${reminder}`,
    ),
  );
}

function certificatesOf(pem: string): readonly Certificate[] {
  const certificates = pemCertificates(pem).flatMap(({ certificate }) => certificate ?? []);
  return [...new Map(certificates.map((certificate) => [certificate.sha256Hex, certificate])).values()];
}
