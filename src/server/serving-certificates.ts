import { SocketAddress, isIP } from 'node:net';
import { X509Certificate } from 'node:crypto';
import { x509 } from '../pki/x509.js';

/** PEM; the certificate has its intermediates behind it. */
export interface KeyPair {
  readonly certificate: string;
  readonly privateKey: string;
}

/** Looked at before each handshake; the same object as long as it is the same pair. */
export interface CurrentKeyPair {
  readonly current: KeyPair;
}

export interface NamedKeyPair extends CurrentKeyPair {
  /**
   * Whose pair it is: DNS names, `*.` for one label before them, `*` for any name of one label, and IP addresses of
   * the server for clients that send no name. Default: the names in the certificate, addresses left out.
   */
  readonly patterns?: readonly string[];
}

/**
 * Which pair a client gets, as kube-apiserver chooses it: by the name that the client sends, otherwise by the
 * address that it has reached. A name comes before a wildcard, a pattern before a name in a certificate, an earlier
 * pair before a later one; who matches none gets the default.
 */
export class ServingCertificates {
  readonly #preset: CurrentKeyPair;
  readonly #named: readonly NamedKeyPair[];
  /** What the table was made of: names may change with a certificate. */
  #pairs: readonly KeyPair[] = [];
  #table: ReadonlyMap<string, KeyPair> = new Map();

  constructor(preset: CurrentKeyPair, named: readonly NamedKeyPair[]) {
    this.#preset = preset;
    this.#named = named;
  }

  ofServerName(serverName: string): KeyPair {
    const table = this.#current();
    const name = serverName.toLowerCase();
    const dot = name.indexOf('.');
    const wildcard = dot < 0 ? '*' : `*${name.slice(dot)}`;
    return table.get(name) ?? table.get(wildcard) ?? this.#preset.current;
  }

  /** Of a connection that is closed already there is no address. */
  ofAddress(localAddress: string | undefined): KeyPair {
    const table = this.#current();
    const pair = localAddress === undefined ? undefined : table.get(canonicalAddress(localAddress));
    return pair ?? this.#preset.current;
  }

  #current(): ReadonlyMap<string, KeyPair> {
    const pairs = this.#named.map(({ current }) => current);
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
      const patterns = this.#named[at]?.patterns;
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

/** One spelling for each address: a socket for both families tells of IPv4 addresses as `::ffff:192.0.2.1`. */
function canonicalAddress(text: string): string {
  const address = text.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!address.includes(':')) return address;
  try {
    return new SocketAddress({ address, family: 'ipv6' }).address;
  } catch {
    return address;
  }
}

/**
 * The names that a certificate (the first in a PEM text) is for, as kube-apiserver takes them from it for server
 * name indication: a CN that is a domain name, and the DNS names of its subjectAltName.
 *
 * @throws Error when it cannot be read.
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

/** Whether it may be sent as a server's name, `*` and one `*.` at its beginning included; no IP address is. */
export function isDomainPattern(text: string): boolean {
  const domain = text.replace(/^\*\./, '');
  return (
    text === '*' ||
    (text.length <= 253 &&
      isIP(text) === 0 &&
      /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i.test(domain))
  );
}
