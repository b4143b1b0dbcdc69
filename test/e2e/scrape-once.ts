import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { ServingPlace } from './serving-place.js';

export interface ScrapedOnce {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As it was sent: compressed where the headers say so. */
  readonly body: Buffer;
}

export interface ScrapeOnceOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Default `/metrics`. */
  readonly path?: string;
}

/** One scrape on a connection of its own. Rejects where the transfer breaks off, or takes over 30 s. */
export async function scrapeOnce(
  { token, certificateAuthority }: ServingPlace,
  port: number,
  { headers = {}, path = '/metrics' }: ScrapeOnceOptions = {},
): Promise<ScrapedOnce> {
  const asked = request({
    host: '127.0.0.1',
    port,
    path,
    ca: certificateAuthority,
    agent: false,
    signal: AbortSignal.timeout(30_000),
    headers: { Authorization: `Bearer ${token}`, ...headers },
  });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) };
}
