import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { realClock, type Clock } from '../../../src/kubernetes/reflector/reflector-options.js';
import { ServerProbe } from '../../../src/kubernetes/reflector/server-probe.js';
import { statusOf } from './api-objects.js';
import { Arrivals } from './arrivals.js';
import { Following, lost } from './following.js';
import { httpApiClient } from './http-api-client.js';
import { answer, silence, watchList, type Answer } from './scripted-api-server.js';
import { VirtualClock } from './virtual-clock.js';
import { listen } from '../../support/listening.js';

const start = watchList(['a', 'b'], 10);
const started = ['replace a b', 'live'];
/** Longer than any test waits. */
const never = { backoffBaseMs: 600_000, backoffCapMs: 600_000, headersMs: 600_000 };
const random = (): number => 0;
/** Pauses are a fiftieth of what they are. */
const clock: Clock = { now: () => realClock.now(), sleep: (ms, signal) => realClock.sleep(ms / 50, signal) };

let following: Following;
beforeEach(() => {
  following = new Following();
});
afterEach(() => following.stop());

describe('a probe', () => {
  let found: Arrivals<string | undefined>;
  beforeEach(() => {
    found = new Arrivals();
  });
  const probe = async (...answers: readonly Answer[]): Promise<() => void> => {
    await following.server.start();
    following.server.scriptProbe(...answers);
    const client = httpApiClient(following.server.port);
    const asked = new ServerProbe(client, random, clock);
    const listener = (answered: string | undefined): void => {
      found.add(answered);
    };
    asked.follow(listener);
    return () => {
      asked.leave(listener);
      client.close();
    };
  };
  const endless: Answer = ({ response }) => {
    response.writeHead(200);
    const drip = setInterval(() => response.write('x'.repeat(8_192)), 10);
    response.once('close', () => {
      clearInterval(drip);
    });
  };

  it.each<[string, Answer, string | undefined]>([
    ['200', answer(200, 'ok'), '200'],
    ['a redirect', answer(302, '', { Location: '/login' }), '302'],
    ['401', answer(401, statusOf(401, 'Unauthorized')), '401'],
    ['403', answer(403, statusOf(403, 'Forbidden')), '403'],
    ['404', answer(404, '<html>'), '404'],
    ['a body without end', endless, '200'],
    ['headers without a body', ({ response }) => void response.writeHead(200).write('o'), '200'],
    ['429', answer(429, statusOf(429, 'TooManyRequests')), undefined],
    ['500', answer(500, '[-]etcd failed'), undefined],
    ['503', answer(503, statusOf(503, 'ServiceUnavailable')), undefined],
    ['nothing', silence, undefined],
    ['a reset connection', ({ response }) => void response.socket?.resetAndDestroy(), undefined],
    ['no HTTP', ({ response }) => void response.socket?.end('SSH-2.0-OpenSSH\r\n'), undefined],
  ])('that is answered by %s knows, and asks again', async (_, reply, status) => {
    // On a busy machine, an answer may come too late for one of them.
    const leave = await probe(reply, ...(status === undefined ? [] : [reply, reply]), answer(204, ''));
    const answers = [await found.next()];
    while (answers.at(-1) === undefined) answers.push(await found.next());
    expect(answers.at(-1)).toBe(`${status ?? '204'} of kubeconfig 0`);
    if (status === undefined) expect(answers.length).toBeGreaterThan(1);
    leave();
  });

  it('does not wait for a server that accepts connections and says nothing', async () => {
    const server = createServer((socket) => socket.resume());
    const { port, open: accepted } = await listen(server);
    const client = httpApiClient(port);
    const asked = new ServerProbe(client, random, clock);
    const listener = (answered: string | undefined): void => {
      found.add(answered);
    };
    asked.follow(listener);
    for (let times = 0; times < 2; times += 1) {
      expect(await found.next()).toBeUndefined();
      // One at a time, and each is hung up on.
      await expect.poll(() => accepted.size).toBeLessThanOrEqual(1);
    }
    asked.leave(listener);
    await expect.poll(() => accepted.size).toBe(0);
    client.close();
    expect(found.untaken).toEqual([]);
  });
});

describe('a server that is found back', () => {
  it('is asked at once, whatever was left of a pause', async () => {
    following.server.scriptProbe(answer(503, ''));
    await following.start([answer(503, ''), start], never, { random, clock });
    expect(await following.calls(3)).toEqual([lost('watch-list', '503'), ...started]);
  });

  it('is asked anew where what was asked before has no answer', async () => {
    following.server.scriptProbe(answer(503, ''));
    await following.start([silence, start], never, { random, clock });
    const reason = 'no answer had come when the server was found back';
    expect(await following.calls(3)).toEqual([lost('watch-list', reason), ...started]);
    expect(following.observer.reports).toEqual(['watch-list connection', 'watch-list success']);
  });

  it('once: what is asked then has all the time it needs', async () => {
    following.server.scriptProbe(answer(503, ''), answer(200, ''), answer(503, ''), answer(200, ''));
    await following.start([silence, silence], never, { random, clock });
    await following.calls(1);
    for (let probes = 0; probes < 6; probes += 1) await following.server.probes.next();
    expect(following.requests).toEqual(['watch-list', 'watch-list']);
  });

  it('is not asked for while a watch is followed', async () => {
    const virtual = new VirtualClock();
    await following.start([start], {}, { clock: virtual });
    await following.calls(2);
    await virtual.pass(10_000);
    await setTimeout(100);
    expect(following.server.probes.untaken).toEqual([]);
  });
});
