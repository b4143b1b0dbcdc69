import type { UpstreamAnswer } from '../../../outgoing/upstream-client.js';
import type { RenderedExposition, WholeExposition } from '../../exposition.js';
import { isExpositionType, knownCoding } from './upstream-headers.js';

/** What is waited for whole (bytes): one write costs less than many, and what breaks off is a status. */
const wholeBytes = 256 * 1024;

/** Why an answer is not passed on. */
export function faultOf({ status, contentType, contentEncoding }: UpstreamAnswer): string | undefined {
  if (status !== 200) return `answered ${status}`;
  if (!isExpositionType(contentType)) return `content type ${quoted(contentType)} is no exposition's`;
  if (contentEncoding !== undefined && knownCoding(contentEncoding) === undefined) {
    return `content encoding ${quoted(contentEncoding)} is not known`;
  }
  return undefined;
}

/** A short answer as a whole, another as it comes. @throws ApiConnectionError where a short one breaks off. */
export async function passedOn(answer: UpstreamAnswer): Promise<RenderedExposition> {
  const { contentType, contentLength, contentEncoding, body } = answer;
  const known = contentEncoding === undefined ? undefined : knownCoding(contentEncoding);
  const coding = known === undefined ? {} : { contentEncoding: known };
  if (contentLength === undefined) return { contentType, body, ...coding };
  if (contentLength > wholeBytes) return { contentType, body, contentLength, ...coding };
  return { contentType, body: await wholeOf(body), ...coding };
}

async function wholeOf(body: AsyncIterable<Uint8Array>): Promise<WholeExposition['body']> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const [first] = chunks;
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
