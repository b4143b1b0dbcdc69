import { SocketAddress, isIP } from 'node:net';
import { X509Certificate } from 'node:crypto';
import { x509 } from '../pki/x509.js';
import { unmappedAddress } from '../request/limits/request-buckets.js';

/** PEM; intermediates follow the certificate. */
export interface KeyPair {
  readonly certificate: string;
  readonly privateKey: string;
}

/** Read before each handshake; the same object as long as the pair is the same. */
export interface CurrentKeyPair {
  readonly current: KeyPair;
}

export interface NamedKeyPair extends CurrentKeyPair {
  /**
   * What the pair is for: DNS names, `*.` for one label before them, `*` for any name of one label, and IP addresses of
   * the server for clients that send no name. Default: the DNS names in the certificate.
   */
  readonly patterns?: readonly string[];
}

/**
 * Chooses a client's pair as kube-apiserver does: by the name that the client sends, otherwise by the address that it
 * connected to. A name comes before a wildcard, a pattern before a name in a certificate, an earlier pair before a later
 * one; without a match it is the default.
 */
export class ServingCertificates {
  /** The pairs the table was made of: names may change with a certificate. */
  #pairs: readonly KeyPair[] = [];
  #table: ReadonlyMap<string, KeyPair> = new Map();

  constructor(
    private readonly preset: CurrentKeyPair,
    private readonly named: readonly NamedKeyPair[],
  ) {}

  ofServerName(serverName: string): KeyPair {
    const table = this.#current();
    const name = serverName.toLowerCase();
    const dot = name.indexOf('.');
    const wildcard = dot < 0 ? '*' : `*${name.slice(dot)}`;
    return table.get(name) ?? table.get(wildcard) ?? this.preset.current;
  }

  /** A closed connection has no address. */
  ofAddress(localAddress: string | undefined): KeyPair {
    const pair = localAddress && this.#current().get(canonicalAddress(localAddress));
    return pair || this.preset.current;
  }

  #current(): ReadonlyMap<string, KeyPair> {
    const pairs = this.named.map(({ current }) => current);
    if (pairs.some((pair, at) => pair !== this.#pairs[at])) {
      this.#table = this.#tableOf(pairs);
      this.#pairs = pairs;
    }
    return this.#table;
  }

  #tableOf(pairs: readonly KeyPair[]): ReadonlyMap<string, KeyPair> {
    const byPattern = new Map<string, KeyPair>();
    const byCertificate = new Map<string, KeyPair>();
    for (const [at, pair] of pairs.entries()) {
      const patterns = this.named[at]?.patterns;
      const table = patterns === undefined ? byCertificate : byPattern;
      const names = patterns?.map(canonicalAddress) ?? namesOf(pair);
      for (const name of names.map((each) => each.toLowerCase())) if (!table.has(name)) table.set(name, pair);
    }
    return new Map([...byCertificate, ...byPattern]);
  }
}

/** A certificate whose names cannot be read is never selected by name. */
function namesOf({ certificate }: KeyPair): readonly string[] {
  try {
    return namesInCertificate(certificate);
  } catch {
    return [];
  }
}

/** One spelling for each address. */
function canonicalAddress(text: string): string {
  const address = unmappedAddress(text).replace(/%.*$/, '');
  if (!address.includes(':')) return address;
  try {
    return new SocketAddress({ address, family: 'ipv6' }).address;
  } catch {
    return address;
  }
}

/**
 * The names of a certificate (the first in a PEM text) that kube-apiserver uses for server name indication: a CN that is
 * a domain name, and the DNS names of its subjectAltName.
 * @throws Error if it cannot be read.
 */
export function namesInCertificate(pem: string): readonly string[] {
  const { raw } = new X509Certificate(pem);
  const { SubjectAlternativeNameExtension, X509Certificate: ParsedCertificate } = x509();
  const parsed = new ParsedCertificate(raw);
  const commonName = parsed.subjectName.getField('CN').at(-1) ?? '';
  const alternatives = parsed.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  return [
    ...(isDomainPattern(commonName) ? [commonName] : []),
    ...alternatives.filter(({ type }) => type === 'dns').map(({ value }) => value),
  ];
}

/** Whether a client may send it as a server's name; also `*` and a leading `*.`, but no IP address. */
export function isDomainPattern(text: string): boolean {
  const domain = text.replace(/^\*\./, '');
  return (
    text === '*' ||
    (text.length <= 253 &&
      isIP(text) === 0 &&
      /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i.test(domain))
  );
}
