import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { listenHttp } from '../support/listening.js';

/** What the upstream does with a scrape; `closed` and `reset` come in the middle of the body. */
export type Damage = 'none' | 'closed' | 'reset' | 'stalled' | 'silent';

/** An application whose answers are damaged as the test says, from the next one on. */
export interface DamagedUpstream {
  readonly url: string;
  set(damage: Damage): void;
}

export interface DamagedUpstreamOptions {
  readonly body: Buffer;
  /** Whether it says how long the body is. */
  readonly saysLength: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** It ends with the test. */
export async function damagedUpstream({
  body,
  saysLength,
  headers = {},
}: DamagedUpstreamOptions): Promise<DamagedUpstream> {
  let damage: Damage = 'none';
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (damage === 'silent') return;
    response.writeHead(200, {
      'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
      ...(saysLength ? { 'Content-Length': body.length } : {}),
      ...headers,
    });
    if (damage === 'none') {
      response.end(body);
      return;
    }
    // At the end of a line: what has come by then could be a whole exposition.
    const half = body.subarray(0, body.lastIndexOf('\n', body.length / 2) + 1);
    await new Promise((resolve) => response.write(half, resolve));
    await setImmediate();
    if (damage === 'closed') request.socket.destroy();
    if (damage === 'reset') request.socket.resetAndDestroy();
  };
  const listening = await listenHttp((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  return {
    url: `http://127.0.0.1:${listening.port}/metrics`,
    set(next) {
      damage = next;
    },
  };
}
