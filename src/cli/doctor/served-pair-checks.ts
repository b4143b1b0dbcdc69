import type { GivenOptions } from '../../options/option.js';
import { tls } from '../../options/tls-options.js';
import { X509Certificate } from 'node:crypto';
import { isSignedBy } from '../../authentication/certificates/certificate-chains.js';
import type { Certificate } from '../../authentication/certificates/certificate.js';
import {
  isSelfSigned,
  pemCertificates,
  validityOf,
  weaknessesOf,
  type PlacedCertificate,
} from './certificate-health.js';
import { about, those, type Finding } from './finding.js';
import { givenFile, givenSniPairs } from './given-files.js';

const serverAuth = '1.3.6.1.5.5.7.3.1';

/**
 * Checks that clients will accept the serving certificate. `now` in ms since the epoch; the flags in `told` are
 * already known to be invalid.
 */
export function servingFindings(values: GivenOptions, now: number, told: ReadonlySet<string>) {
  const { tlsCertFile, tlsPrivateKeyFile } = tls.options;
  const certificate = givenFile(values, tlsCertFile);
  const privateKey = givenFile(values, tlsPrivateKeyFile);
  const error = (subject: string, message: string) => about('serving-certificate', subject)('error', message);
  if (certificate === undefined && privateKey === undefined) {
    const message =
      'is not set: each start makes a self-signed certificate for localhost, which no client can verify';
    return [about('serving-certificate', tlsCertFile.name)('warning', message)];
  }
  // start reads one only if it can read the other.
  const unreadable = [certificate, privateKey].flatMap((given) =>
    given === undefined || told.has(given.option.name) || given.text !== undefined
      ? []
      : [error(given.subject, 'cannot be read')],
  );
  const pem = certificate?.text;
  if (certificate === undefined || pem === undefined) return unreadable;
  const { option, subject } = certificate;
  return told.has(option.name) || isCertificate(pem)
    ? [...unreadable, ...servingCertificateFindings({ subject, pem }, now)]
    : [...unreadable, error(subject, 'contains no PEM certificate')];
}

/** The same for the SNI pairs. `now` in ms since the epoch. */
export function sniFindings(values: GivenOptions, now: number): readonly Finding[] {
  return givenSniPairs(values).flatMap(([{ subject, text: pem }]) =>
    pem === undefined ? [] : servingCertificateFindings({ subject, pem }, now),
  );
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/**
 * Checks the serving certificate and its intermediates. start itself checks that it can be read and
 * that the key matches; an unreadable certificate is skipped here. `now` in ms since the epoch.
 */
export function servingCertificateFindings(
  { subject, pem }: { readonly subject: string; readonly pem: string },
  now: number,
): readonly Finding[] {
  const at = about('serving-certificate', subject);
  const [first, ...behind] = pemCertificates(pem);
  const leaf = first?.certificate;
  if (leaf === undefined) return [];
  const { level, words } = validityOf(leaf, now);
  return [
    at(level, `certificate ${leaf.title} ${words}`),
    ...nameFaults(leaf).map((fault) => at('error', `certificate ${leaf.title} ${fault}`)),
    ...weaknessesOf(leaf).map((weakness) => at('warning', `certificate ${leaf.title} ${weakness}: renew it`)),
    ...chainFindings(at, leaf, behind, now),
  ];
}

/** Why clients would not accept it for a server, or for this one. */
function nameFaults({ x509: { subjectAltName = '' }, extendedKeyUsages }: Certificate): readonly string[] {
  return those(
    [
      !/(?:^|, )(?:DNS|IP Address):/.test(subjectAltName),
      'has no host in its subjectAltName, the only place where clients such as Prometheus look: issue one that has',
    ],
    [
      extendedKeyUsages?.includes(serverAuth) === false,
      'is not for server authentication: issue one with the extended key usage serverAuth',
    ],
  );
}

/** Checks that each certificate signed the one before it: TLS sends them in file order, and not every client sorts them. */
function chainFindings(
  at: ReturnType<typeof about>,
  leaf: Certificate,
  behind: readonly PlacedCertificate[],
  now: number,
): readonly Finding[] {
  const findings: Finding[] = [];
  let last = leaf;
  let isOrdered = true;
  for (const { place, certificate } of behind) {
    if (certificate === undefined) {
      findings.push(at('error', `certificate ${place} cannot be parsed: clients get a broken chain`));
      isOrdered = false;
      continue;
    }
    const named = `certificate ${place}, ${certificate.title},`;
    const { level, words } = validityOf(certificate, now);
    // Clients use their own copy of a root.
    const levelHere = level === 'error' && isSelfSigned(certificate.x509) ? 'warning' : level;
    if (level !== 'ok') findings.push(at(levelHere, `${named} ${words}`));
    const maySign = certificate.isAuthority && certificate.maySignCertificates;
    const faults = [
      ...(maySign ? [] : ['may not sign certificates: remove it, or replace it by the issuer']),
      ...weaknessesOf(certificate).map((weakness) => `${weakness}: renew it`),
    ];
    findings.push(...faults.map((fault) => at('warning', `${named} ${fault}`)));
    if (isOrdered && isSignedBy(last.x509, certificate.x509)) last = certificate;
    else if (isOrdered) {
      const issuer = behind.find(
        (other) => other.certificate && isSignedBy(last.x509, other.certificate.x509),
      );
      const advice =
        issuer === undefined
          ? `did not sign ${last.title}: replace it by the certificate of its issuer`
          : `did not sign ${last.title}, certificate ${issuer.place} did: move that one here`;
      findings.push(at('warning', `certificate ${place} ${advice}`));
      isOrdered = false;
    }
  }
  return isOrdered ? [...findings, at('ok', endOf(last, behind.length))] : findings;
}

function endOf({ x509, title, issuer = '' }: Certificate, intermediates: number): string {
  const length =
    intermediates === 0 ? 'has no intermediates' : `has ${intermediates} intermediates in the right order`;
  return isSelfSigned(x509)
    ? `the chain ${length} and ends in ${title}, which is self-signed: clients must trust it`
    : `the chain ${length} and ends in ${title}: clients must trust its issuer ${JSON.stringify(issuer.replaceAll('\n', ', '))}`;
}
