import { X509Certificate } from 'node:crypto';
import type { PeerCertificates } from '../../../src/authentication/authenticator.js';
import type { IssuedCertificate } from '../../../src/pki/throwaway-pki.js';

export function derOf({ certificatePem }: IssuedCertificate): Buffer {
  return new X509Certificate(certificatePem).raw;
}

/** What a new connection presents. */
export function presenting(leaf: IssuedCertificate, ...intermediates: IssuedCertificate[]): PeerCertificates {
  return { chain: [derOf(leaf), ...intermediates.map(derOf)] };
}

export function bundleOf(...certificates: IssuedCertificate[]): string {
  return certificates.map(({ certificatePem }) => certificatePem).join('');
}
