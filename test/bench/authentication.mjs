import { X509Certificate } from 'node:crypto';
import { createCertificateVerifier } from '../../dist/authentication/certificates/certificate-verifier.js';
import { clientCertificateAuthenticator } from '../../dist/authentication/certificates/client-certificate.js';
import { tokenFileAuthenticator } from '../../dist/authentication/tokens/token-file.js';
import { createAuthority } from '../../dist/pki/throwaway-pki.js';
import { boundsRows } from './bounds.mjs';
import { nanosecondsPerCall, percentile } from './measure.mjs';
import { goalRow } from './report.mjs';
import { reviewRows } from './reviews.mjs';
import { verifiedTokenRows } from './verified-tokens.mjs';

/** Two timings that differ by less than this share of themselves cannot be told apart over a network. */
const noise = 0.1;

/** Finding out who sends a request, without the network. */
export async function authenticationSection() {
  return {
    title: 'Authentication; p50 / p99',
    rows: [
      ...(await certificateRows()),
      ...tokenRows(),
      ...(await verifiedTokenRows()),
      ...(await reviewRows()),
      ...(await boundsRows()),
    ],
  };
}

async function certificateRows() {
  const authority = await createAuthority({ commonName: 'client-ca' });
  const leaves = [];
  for (let number = 0; number < 250; number += 1) {
    const { certificatePem } = await authority.issue({
      commonName: `prometheus-${number}`,
      organizations: ['monitoring'],
      usage: 'clientAuth',
    });
    leaves.push(new Uint8Array(new X509Certificate(certificatePem).raw));
  }
  const verifier = createCertificateVerifier({ authorities: authority.certificatePem });
  const authenticator = clientCertificateAuthenticator({ verifier });
  const authenticate = (peerCertificates) => {
    const { kind } = authenticator.authenticate({ peerCertificates, headers: {} });
    if (kind !== 'authenticated') throw new Error(`certificate ${kind}`);
  };
  const first = nanosecondsPerCall({
    batches: 200,
    warmups: 50,
    inputs: (batch) => [{ chain: [leaves[batch]] }],
    call: authenticate,
  });
  const connection = { chain: [leaves[0]] };
  const reconnected = nanosecondsPerCall({
    batches: 400,
    inputs: () => Array.from({ length: 16 }, () => ({ chain: [leaves[0]] })),
    call: authenticate,
  });
  const later = nanosecondsPerCall({
    batches: 400,
    inputs: () => Array.from({ length: 64 }, () => connection),
    call: authenticate,
  });
  return [
    goalRow('certificate, first request of a new certificate', first, 1_000_000),
    goalRow('certificate, first request of a known certificate', reconnected, 20_000),
    goalRow('certificate, later requests of a connection', later, 2000),
  ];
}

function tokenRows() {
  const tokens = 1000;
  const tokenOf = (number) => `t-${String(number).padStart(6, '0')}-${'k'.repeat(24)}`;
  const text = Array.from(
    { length: tokens },
    (_, at) => `${tokenOf(at)},scraper-${at},${at},monitoring`,
  ).join('\n');
  const authenticator = tokenFileAuthenticator({ text, file: 'tokens.csv' });
  const figures = { known: [], unknown: [] };
  // In turns, so that whatever else the machine does meets both.
  for (let batch = 0; batch < 1200; batch += 1) {
    for (const kind of batch % 2 === 0 ? ['known', 'unknown'] : ['unknown', 'known']) {
      const offset = kind === 'known' ? 0 : tokens;
      const given = Array.from({ length: 64 }, (_, at) => ({
        headers: { authorization: [`Bearer ${tokenOf(offset + ((batch * 64 + at) % tokens))}`] },
      }));
      const started = process.hrtime.bigint();
      for (const credentials of given) authenticator.authenticate(credentials);
      if (batch >= 200) figures[kind].push(Number(process.hrtime.bigint() - started) / given.length);
    }
  }
  const known = summary(figures.known);
  const unknown = summary(figures.unknown);
  const difference = Math.abs(known.p50 - unknown.p50) / known.p50;
  return [
    goalRow('bearer token, known', known, 20_000),
    goalRow('bearer token, unknown', unknown, 20_000),
    {
      what: 'bearer token, known against unknown',
      figures: `${(100 * difference).toFixed(1)} % apart`,
      goal: `< ${100 * noise} %`,
      met: difference < noise,
    },
  ];
}

function summary(values) {
  return { p50: percentile(values, 0.5), p99: percentile(values, 0.99) };
}
