import { X509Certificate } from 'node:crypto';
import { certificateBlocks } from '../files/pem.js';

/**
 * When the first certificate of a PEM text that may change is going to expire (ms since the epoch); undefined where
 * none can be read. Read anew only when the text is another.
 */
export function expiryOf(pemNow: () => string): () => number | undefined {
  let read: { readonly pem: string; readonly earliest: number | undefined } | undefined;
  return () => {
    const pem = pemNow();
    if (read?.pem !== pem) read = { pem, earliest: earliestExpiryIn(pem) };
    return read.earliest;
  };
}

function earliestExpiryIn(pem: string): number | undefined {
  const expiries = certificateBlocks(pem)
    .filter(({ isComplete }) => isComplete)
    .map((block) => expiryOfBlock(block.pem))
    .filter((time) => !Number.isNaN(time));
  return expiries.length === 0 ? undefined : Math.min(...expiries);
}

function expiryOfBlock(block: string): number {
  try {
    return Date.parse(new X509Certificate(block).validTo);
  } catch {
    return Number.NaN;
  }
}
