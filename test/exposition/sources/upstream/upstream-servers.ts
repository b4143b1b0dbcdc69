import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  request,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
} from 'node:http';
import type { Exposition } from '../../../../src/exposition/exposition.js';
import { metricsFilter, type MetricsFilterOptions } from '../../../../src/request/guard.js';
import { listen, type Listening } from '../../../support/listening.js';
import { filterOptions } from '../../../support/filter.js';

/** A filter on a bare server, whose /metrics is the exposition. */
export function listenFilter(
  exposition: Exposition,
  overrides: Partial<MetricsFilterOptions> = {},
): Promise<Listening & { readonly server: Server }> {
  const filter = metricsFilter(filterOptions({ exposition, ...overrides }));
  const server = createServer((incoming, response) => {
    filter(incoming, response, () => response.writeHead(404).end());
  });
  return listen(server).then((listening) => ({ ...listening, server }));
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Begins a scrape as somebody who may; resolves when the headers have come, nothing of the body read. */
export async function beginScrape(
  { port }: { readonly port: number },
  headers: Readonly<Record<string, string | readonly string[]>> = {},
  method = 'GET',
): Promise<IncomingMessage> {
  const asked = request({
    host: '127.0.0.1',
    port,
    path: '/metrics',
    method,
    agent: false,
    headers: { Authorization: 'Bearer admin-token', ...headers } as Record<string, string | string[]>,
  });
  asked.on('error', () => undefined);
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  answer.on('error', () => undefined);
  return answer;
}

/** Rejects where the transfer breaks off. */
export async function scrape(...asked: Parameters<typeof beginScrape>): Promise<Answer> {
  const answer = await beginScrape(...asked);
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) };
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
