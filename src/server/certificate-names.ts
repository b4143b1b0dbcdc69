import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { x509 } from '../pki/x509.js';

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
