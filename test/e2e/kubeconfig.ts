import { writeFileSync } from 'node:fs';
import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';

export interface Kubeconfig {
  /** URL of the API server, with the path below which its API is. */
  readonly server: string;
  readonly certificateAuthority: CertificateAuthority;
  readonly user: KubeconfigUser;
}

/** By file, so that it may rotate, or in the kubeconfig itself (PEM). */
export type CertificateAuthority = { readonly file: string } | { readonly pem: string };

export type KubeconfigUser =
  { readonly token: string } | { readonly tokenFile: string } | { readonly certificate: IssuedCertificate };

/** Writes it as JSON, which is YAML too. Its only context has the name that a shard of kcp looks for in the root shard's. */
export function writeKubeconfig(file: string, { server, certificateAuthority, user }: Kubeconfig): void {
  const name = 'shard-base';
  const authority =
    'file' in certificateAuthority
      ? { 'certificate-authority': certificateAuthority.file }
      : { 'certificate-authority-data': base64(certificateAuthority.pem) };
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, ...authority } }],
    users: [{ name, user: userEntry(user) }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  writeFileSync(file, `${JSON.stringify(kubeconfig, undefined, 2)}\n`, { mode: 0o600 });
}

function userEntry(user: KubeconfigUser): Readonly<Record<string, string>> {
  if (!('certificate' in user)) return user;
  return {
    'client-certificate-data': base64(user.certificate.certificatePem),
    'client-key-data': base64(user.certificate.privateKeyPem),
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
