import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import type { UpstreamError } from '../../../../src/exposition/exposition-errors.js';
import {
  upstreamExposition,
  type UpstreamExposition,
  type UpstreamExpositionOptions,
} from '../../../../src/exposition/sources/upstream/upstream.js';
import { atEnd } from '../../../support/ending.js';
import { listenFilter } from './upstream-servers.js';
import { listenHttp, type Listening } from '../../../support/listening.js';

export const textFormat = 'text/plain; version=0.0.4; charset=utf-8';

/** What `onFailure` was told in this test. */
export const failures: UpstreamError[] = [];

/** The exposition of an upstream, closed after the test. */
export function exposed(
  { port }: Listening,
  options: Partial<UpstreamExpositionOptions> = {},
): UpstreamExposition {
  const defaults = {
    url: `http://127.0.0.1:${port}/metrics`,
    onFailure: (error: UpstreamError) => failures.push(error),
  };
  // Not spread: an option may be a getter.
  const exposition = upstreamExposition(
    Object.defineProperties(defaults, Object.getOwnPropertyDescriptors(options)),
  );
  atEnd(() => {
    exposition.close();
    failures.splice(0);
  });
  return exposition;
}

/** A filter whose /metrics is the upstream's. */
export const guard = (...upstream: Parameters<typeof exposed>): Promise<Listening> =>
  listenFilter(exposed(...upstream));

export const send =
  (body: string | Buffer, headers: Readonly<Record<string, string>> = {}, status = 200): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { 'Content-Type': textFormat, ...headers });
    response.end(body);
  };

/** An upstream, and the headers of each request that it got. */
export async function recorder(): Promise<{ upstream: Listening; received: IncomingHttpHeaders[] }> {
  const received: IncomingHttpHeaders[] = [];
  const upstream = await listenHttp((request, response) => {
    received.push(request.headers);
    send('a 1\n')(request, response);
  });
  return { upstream, received };
}
