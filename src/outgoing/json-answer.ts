import { ApiContentError, ApiStatusError } from './outgoing-errors.js';

/** An answer whose headers have come. */
export interface JsonAnswer {
  readonly status: number;
  /** The delay that `Retry-After` asks for (ms). */
  readonly retryAfterMs?: number | undefined;
  readonly body: AsyncIterable<Buffer>;
}

/** For an answer that is not a success; a Status object is far smaller. */
const maxStatusBytes = 64 * 1024;

/**
 * The JSON of an answer, which is read as a whole; `what` begins the messages of ApiContentError.
 *
 * @throws ApiConnectionError when not all of it comes; ApiStatusError when it is no success; ApiContentError when it is
 * larger than `maxBytes`, or no JSON.
 */
export async function jsonOf(answer: JsonAnswer, what: string, maxBytes: number): Promise<unknown> {
  const { status, retryAfterMs, body } = answer;
  if (status < 200 || status > 299) {
    // Without a Status object, the status code is still reported.
    const bytes = await readWhole(body, maxStatusBytes).catch(() => undefined);
    throw new ApiStatusError(status, bytes && parsed(bytes)?.json, retryAfterMs);
  }
  const bytes = await readWhole(body, maxBytes);
  if (bytes === undefined) throw new ApiContentError(`${what} is larger than ${maxBytes} bytes`);
  const content = parsed(bytes);
  if (content === undefined) throw new ApiContentError(`${what} is no JSON`);
  return content.json;
}

/** Undefined if it is larger; the rest is not read. */
export async function readWhole(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parsed(bytes: Buffer): { readonly json: unknown } | undefined {
  try {
    return { json: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) };
  } catch {
    // The error's message would quote the answer.
    return undefined;
  }
}
