import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import { afterEach } from 'vitest';
import type { UpstreamError } from '../../../../src/exposition/exposition-errors.js';
import {
  upstreamExposition,
  type UpstreamExposition,
  type UpstreamExpositionOptions,
} from '../../../../src/exposition/sources/upstream/upstream.js';
import { listenFilter, listenHttp, type Listening } from './upstream-servers.js';

export const textFormat = 'text/plain; version=0.0.4; charset=utf-8';

/** What the tests of a file start; closed after each of them. */
export const running: Listening[] = [];
const expositions: UpstreamExposition[] = [];
/** What `onFailure` was told. */
export const failures: UpstreamError[] = [];

/** To be called by each file: a hook belongs to the file that is running when it is registered. */
export function closeAfterEach(): void {
  afterEach(async () => {
    for (const exposition of expositions.splice(0)) exposition.close();
    await Promise.all(running.splice(0).map((server) => server.close()));
    failures.splice(0);
  });
}

export async function application(answer: RequestListener): Promise<Listening> {
  const listening = await listenHttp(answer);
  running.push(listening);
  return listening;
}

/** A filter whose /metrics is the upstream's. */
export async function guard(
  upstream: Listening,
  options: Partial<UpstreamExpositionOptions> = {},
): Promise<Listening> {
  const defaults = {
    url: `http://127.0.0.1:${upstream.port}/metrics`,
    onFailure: (error: UpstreamError) => failures.push(error),
  };
  // Not spread: an option may be a getter.
  const exposition = upstreamExposition(
    Object.defineProperties(defaults, Object.getOwnPropertyDescriptors(options)),
  );
  expositions.push(exposition);
  const listening = await listenFilter(exposition);
  running.push(listening);
  return listening;
}

export const send =
  (body: string | Buffer, headers: Readonly<Record<string, string>> = {}, status = 200): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { 'Content-Type': textFormat, ...headers });
    response.end(body);
  };

/** An upstream, and the headers of each request that it got. */
export async function recorder(): Promise<{ upstream: Listening; received: IncomingHttpHeaders[] }> {
  const received: IncomingHttpHeaders[] = [];
  const upstream = await application((request, response) => {
    received.push(request.headers);
    send('a 1\n')(request, response);
  });
  return { upstream, received };
}
