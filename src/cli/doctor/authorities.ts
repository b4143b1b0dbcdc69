import { certificates } from '../../options/authentication-options.js';
import type { GivenOptions } from '../../options/option.js';
import type { Certificate } from '../../authentication/certificates/certificate.js';
import { isSignedBy, pemCertificates, validityOf, weaknessesOf } from './certificate-health.js';
import { about, those, type Check, type Finding } from './finding.js';
import { givenText, textsOf } from './given-flags.js';

const clientAuth = '1.3.6.1.5.5.7.3.2';

/** Whether the bundles can vouch for clients and front proxies, and for each of them only. */
export function authorityFindings(values: GivenOptions, now: number): readonly Finding[] {
  const { clientCaFile, requestheaderClientCaFile, requestheaderAllowedNames } = certificates.options;
  const clients = givenText(values, clientCaFile);
  const proxies = givenText(values, requestheaderClientCaFile);
  const allowedNames = textsOf(values, requestheaderAllowedNames)
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return [
    ...(clients ? authorityBundleFindings({ ...clients, check: 'client-ca' }, now) : []),
    ...(proxies ? authorityBundleFindings({ ...proxies, check: 'front-proxy-ca' }, now) : []),
    ...(clients && proxies
      ? frontProxyFindings(proxies.subject, clients.pem, proxies.pem, allowedNames)
      : []),
  ];
}

/**
 * Whether the certificates of a bundle can vouch for client certificates. Of an unreadable one nothing is said: a
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
      const fault = `stands there already as certificate ${first}: remove one of them`;
      findings.push(at('warning', `${named} ${fault}`));
      continue;
    }
    places.set(certificate.sha256Hex, place);
    const validity = validityOf(certificate, now);
    const faults = authorityFaults(certificate);
    if (faults.length === 0 && validity.level !== 'error') usable += 1;
    // An expired authority may stay beside its successor for a while.
    findings.push(at(validity.level === 'error' ? 'warning' : validity.level, `${named} ${validity.words}`));
    // An authority is trusted for being in the bundle: its own signature does not count.
    const weaknesses = weaknessesOf({ ...certificate, hasStrongSignature: true });
    for (const fault of [...faults, ...weaknesses.map((weakness) => `${weakness}: renew it`)]) {
      findings.push(at('warning', `${named} ${fault}`));
    }
  }
  if (usable === 0 && places.size > 0) {
    findings.push(at('error', 'no certificate in it can vouch for anybody: put the right authority in'));
  }
  return findings;
}

/** Why the verifier of client certificates would accept nothing that it signed. */
function authorityFaults(certificate: Certificate): readonly string[] {
  const { unknownCriticalExtension, extendedKeyUsages } = certificate;
  return those(
    [
      !certificate.isAuthority,
      'is not a certificate authority: put the authority in that signs client certificates',
    ],
    [!certificate.maySignCertificates, 'may not sign certificates: its keyUsage lacks keyCertSign'],
    [
      certificate.hasNameConstraints,
      'has name constraints, which are not supported: all it signed is refused',
    ],
    [
      unknownCriticalExtension !== undefined,
      `has the unknown critical extension ${unknownCriticalExtension ?? ''}: all it signed is refused`,
    ],
    [
      extendedKeyUsages?.includes(clientAuth) === false,
      'is not for client authentication: its extended key usages lack clientAuth',
    ],
  );
}

/**
 * Kubernetes warns of one authority for clients and front proxies ("CA reusage and conflicts"): without allowed
 * names, every client could send X-Remote-User and be anybody. Both bundles are PEM.
 */
export function frontProxyFindings(
  subject: string,
  clientAuthorities: string,
  proxyAuthorities: string,
  allowedNames: readonly string[],
): readonly Finding[] {
  const at = about('front-proxy-ca', subject);
  const proxies = certificatesOf(proxyAuthorities);
  const shared = certificatesOf(clientAuthorities).filter((client) =>
    proxies.some((proxy) => vouchesFor(proxy, client)),
  );
  const names = allowedNames.map((name) => JSON.stringify(name)).join(', ');
  return shared.map(({ title }) =>
    allowedNames.length === 0
      ? at(
          'warning',
          `clients of ${title} are accepted as front proxies, too, and can be anybody by X-Remote-User: name the front proxies with ${certificates.options.requestheaderAllowedNames.name}, or give them an authority of their own`,
        )
      : at(
          'ok',
          `clients of ${title} are accepted as front proxies only with the CN ${names}: let it sign those for nobody else`,
        ),
  );
}

/** Whether what a client authority signs has a chain to the proxies' authority as well. */
function vouchesFor(proxy: Certificate, client: Certificate): boolean {
  const isSame = proxy.sha256Hex === client.sha256Hex;
  const isRenewed =
    proxy.x509.subject === client.x509.subject && proxy.x509.publicKey.equals(client.x509.publicKey);
  return isSame || isRenewed || isSignedBy(client.x509, proxy.x509);
}

/** Each once. */
function certificatesOf(pem: string): readonly Certificate[] {
  const certificates = pemCertificates(pem).flatMap(({ certificate }) => certificate ?? []);
  return [...new Map(certificates.map((certificate) => [certificate.sha256Hex, certificate])).values()];
}
