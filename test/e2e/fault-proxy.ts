import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { request } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { damagedWatch, type WatchFault } from './damaged-watch.js';
import { startTlsFront, type TlsFront } from './tls-front.js';

export type Fault = StatusFault | { readonly kind: WatchFault };

/** Answers with this status, without asking the API server. */
export interface StatusFault {
  readonly kind: 'status';
  readonly status: 429 | 500 | 503;
  /** Of the requests, evenly: with 0.25 it is every fourth. Default 1: all of them. */
  readonly share?: number;
  readonly retryAfterSeconds?: number;
}

/** An HTTPS proxy on a free port of 127.0.0.1; for `through` of a kubeconfig. */
export interface FaultProxy extends TlsFront {
  /** How many requests came, and how many of them were answered with a fault's status. */
  readonly counts: { readonly requests: number; readonly refused: number };
  /** From now on, on open watches too; `undefined` heals it. */
  set(fault: Fault | undefined): void;
}

/** The API server behind a proxy. It need not be up. */
export interface ProxiedServer {
  readonly url: string;
  /** File of the authority of its serving certificate. Read for each request, since it may rotate. */
  readonly certificateAuthority: string;
}

/** It ends TLS, so client certificates do not reach the server, and bearer tokens do. */
export async function startFaultProxy(server: ProxiedServer): Promise<FaultProxy> {
  const counts = { requests: 0, refused: 0 };
  let fault: Fault | undefined;
  let due = 0;
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    counts.requests += 1;
    if (fault?.kind === 'status') {
      due += fault.share ?? 1;
      if (due >= 1) {
        due -= 1;
        counts.refused += 1;
        refuse(response, fault);
        return;
      }
    }
    await forward(server, incoming, response, () => (fault?.kind === 'status' ? undefined : fault?.kind));
  };
  return {
    ...(await startTlsFront('fault-proxy', answer)),
    counts,
    set(next) {
      fault = next;
      due = 0;
    },
  };
}

function refuse(response: ServerResponse, { status, retryAfterSeconds }: StatusFault): void {
  if (retryAfterSeconds !== undefined) response.setHeader('Retry-After', retryAfterSeconds);
  response.writeHead(status, { 'Content-Type': 'application/json' });
  const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: 'a fault', code: status };
  response.end(`${JSON.stringify(body)}\n`);
}

async function forward(
  { url, certificateAuthority }: ProxiedServer,
  incoming: IncomingMessage,
  response: ServerResponse,
  watchFault: () => WatchFault | undefined,
): Promise<void> {
  const { method, headers, url: target = '' } = incoming;
  const outgoing = request(new URL(target, url), {
    method,
    headers: withoutHop(headers),
    ca: readFileSync(certificateAuthority),
    agent: false,
  });
  response.once('close', () => outgoing.destroy());
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  const [[upstream]] = await Promise.all([answered, pipeline(incoming, outgoing)]);
  response.writeHead(upstream.statusCode ?? 502, withoutHop(upstream.headers));
  response.flushHeaders();
  if (/[?&]watch=(?:true|1)(?:&|$)/.test(target)) {
    await pipeline(upstream, (lines) => damagedWatch(lines, watchFault), response);
  } else {
    await pipeline(upstream, response);
  }
}

/** Without what is between a proxy and one of its neighbours. */
function withoutHop(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const hop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host']);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hop.has(name)));
}
