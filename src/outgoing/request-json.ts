import type { ApiClient, ApiRequest, ApiResponse } from '../kubernetes/api-client.js';
import { ApiContentError, ApiStatusError } from './api-error.js';

export interface RequestJsonOptions {
  /** The largest answer that is taken (bytes). Default 64 MiB. */
  readonly maxBytes?: number;
}

const defaultMaxBytes = 64 * 1024 * 1024;
/** Of an answer that is no success; a Status object is far smaller. */
const maxStatusBytes = 64 * 1024;

/**
 * The JSON of an answer, which is read as a whole.
 *
 * @throws ApiConnectionError when no answer comes, or not all of it; ApiStatusError when it is no success;
 * ApiContentError when it is larger than `maxBytes`, or no JSON.
 */
export async function requestJson(
  client: ApiClient,
  request: ApiRequest,
  { maxBytes = defaultMaxBytes }: RequestJsonOptions = {},
): Promise<unknown> {
  const response = await client.send(request);
  const { status, retryAfterMs } = response;
  if (status < 200 || status > 299) {
    throw new ApiStatusError(status, await statusObject(response), retryAfterMs);
  }
  const bytes = await read(response, maxBytes);
  const what = `${client.server}: the answer to ${request.method} ${request.path}`;
  if (bytes === undefined) throw new ApiContentError(`${what} is larger than ${maxBytes} bytes`);
  const json = parse(bytes);
  if (json.kind === 'malformed') throw new ApiContentError(`${what} is no JSON`);
  return json.value;
}

/** Undefined where the answer has none; its status is told all the same. */
async function statusObject(response: ApiResponse): Promise<unknown> {
  const bytes = await read(response, maxStatusBytes).catch(() => undefined);
  const json = bytes === undefined ? undefined : parse(bytes);
  return json?.kind === 'json' ? json.value : undefined;
}

/** Undefined where it is larger; the rest is not waited for. */
async function read({ body }: ApiResponse, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

type Json = { readonly kind: 'json'; readonly value: unknown } | { readonly kind: 'malformed' };

function parse(bytes: Buffer): Json {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return { kind: 'json', value };
  } catch {
    // The error's message would quote the answer.
    return { kind: 'malformed' };
  }
}
