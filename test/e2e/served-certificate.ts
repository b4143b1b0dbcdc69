import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { connect } from 'node:tls';

const pollIntervalMs = 50;
// Servers look once a minute, should the file system not have told them.
const deadlineMs = 70_000;

/** Resolves when a server of 127.0.0.1 shows this certificate (PEM) to new connections. Rejects after 70 s. */
export async function untilServed(port: number, certificatePem: string): Promise<void> {
  const expected = new X509Certificate(certificatePem).fingerprint256;
  const deadline = Date.now() + deadlineMs;
  while ((await servedFingerprint(port)) !== expected) {
    if (Date.now() > deadline) throw new Error('the server goes on with its old certificate');
    await setTimeout(pollIntervalMs);
  }
}

async function servedFingerprint(port: number): Promise<string> {
  // Looked at, not believed.
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}
