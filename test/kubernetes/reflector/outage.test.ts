import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Reflector } from '../../../src/kubernetes/reflector/reflector.js';
import { ServerProbe } from '../../../src/kubernetes/reflector/server-probe.js';
import { decodeItem, type Item } from './api-objects.js';
import { RecordingSink } from './recording-sink.js';
import { VirtualApiServer, type Question, type Reply } from './virtual-api-server.js';
import { VirtualClock } from './virtual-clock.js';

const goalMs = 2_000;

let clock: VirtualClock;
let server: VirtualApiServer;
let reflectors: readonly Reflector<Item>[];
let sinks: readonly RecordingSink[];
/** When each was last in step. */
let liveAt: number[];

beforeEach(() => {
  clock = new VirtualClock();
  server = new VirtualApiServer(clock);
});
afterEach(async () => {
  await Promise.all(reflectors.map((reflector) => reflector.close()));
  // Nothing is left to wait for, or to be answered.
  expect([clock.sleepers, server.watches]).toEqual([0, 0]);
});

/** Two reflectors that share a probe, in step with the server. */
async function start(random: () => number = Math.random): Promise<void> {
  const probe = new ServerProbe(server, random, clock);
  sinks = [new RecordingSink(), new RecordingSink()];
  liveAt = [];
  reflectors = sinks.map((sink, at) => {
    sink.live = () => {
      liveAt[at] = clock.now();
      sink.calls.add('live');
    };
    const path = `/apis/rbac.authorization.k8s.io/v1/kind-${at}`;
    const timing = { shortWatchMs: 0 };
    return new Reflector({ client: server, path, decode: decodeItem, sink, probe, clock, random, timing });
  });
  for (const reflector of reflectors) reflector.start();
  await clock.pass(10);
  expect(server.watches).toBe(2);
}

/** From now on. */
function replyAll(reply: Reply | undefined): void {
  server.reply = () => reply;
  server.hangUp();
}

/** The server returns, and has heard of other things meanwhile. Resolves to how long it takes until all are in step (ms). */
async function untilInStep(reply: typeof server.reply = () => undefined): Promise<number> {
  const returnedAt = clock.now();
  server.resourceVersion += 1;
  server.reply = reply;
  const isInStep = (): boolean => liveAt.every((at) => at >= returnedAt);
  await clock.pass(60_000, isInStep);
  expect(isInStep()).toBe(true);
  return Math.max(...liveAt) - returnedAt;
}

/** How many there are in the busiest second. */
function mostInASecond(times: readonly number[]): number {
  return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + 1_000).length));
}

const replies: readonly [string, Reply][] = [
  ['refused connections', 'refused'],
  ['500', { status: 500 }],
  ['503', { status: 503 }],
  ['429', { status: 429 }],
  ['503 with Retry-After', { status: 503, retryAfterMs: 1_000 }],
];
const outages = [1, 10, 60, 600].flatMap((seconds) =>
  replies.flatMap(([name, reply]) =>
    [false, true].map((forgets) => [seconds, name, forgets ? 'forgotten' : 'remembered', reply] as const),
  ),
);

describe('after an outage', () => {
  it.each(outages)('of %i s of %s (what was known is %s), all are in step within 2 s', async (...outage) => {
    const [seconds, , memory, reply] = outage;
    await start();
    server.forgets = memory === 'forgotten';
    const rounds = seconds > 60 ? 2 : 10;
    let asked = 0;
    for (let round = 0; round < rounds; round += 1) {
      const from = clock.now();
      replyAll(reply);
      await clock.pass(seconds * 1_000);
      const probes = server.questions('probe', from);
      asked += probes.length;
      expect(mostInASecond(probes)).toBeLessThanOrEqual(2);
      expect(await untilInStep()).toBeLessThan(goalMs);
    }
    // Of all rounds: one in two thousand has few probes by chance.
    expect(asked).toBeGreaterThanOrEqual(rounds * (Math.floor(seconds / 2.3) - 1));
  });

  it.each([1, 10, 600])(
    'of %i s, a server that does not call itself ready yet is believed',
    async (seconds) => {
      await start();
      for (let round = 0; round < 3; round += 1) {
        replyAll('refused');
        await clock.pass(seconds * 1_000);
        expect(
          await untilInStep((question) => (question === 'probe' ? { status: 500 } : undefined)),
        ).toBeLessThan(goalMs);
      }
    },
  );

  it('the attempts of ten minutes are those of the backoff, and no list is among them', async () => {
    await start(() => 0);
    const from = clock.now();
    replyAll('refused');
    await clock.pass(600_000);
    expect(server.questions('list', from)).toEqual([]);
    const pauses = server
      .questions('watch', from)
      .filter((_, at) => at % 2 === 0)
      .map((at, index, all) => at - (all[index - 1] ?? from));
    expect(pauses.slice(0, 8)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    expect(await untilInStep()).toBeLessThanOrEqual(500);
  });

  it('a thousand filters neither ask nor come back at the same moment', async () => {
    const asked: number[] = [];
    const probes = Array.from({ length: 1_000 }, () => new ServerProbe(server, undefined, clock));
    const listen = (): void => void asked.push(clock.now());
    server.reply = () => 'refused';
    for (const probe of probes) probe.follow(listen);
    await clock.pass(5_000);
    for (const probe of probes) probe.leave(listen);
    const perTwentiethSecond = new Map<number, number>();
    for (const at of asked) {
      const bucket = Math.floor(at / 50);
      perTwentiethSecond.set(bucket, (perTwentiethSecond.get(bucket) ?? 0) + 1);
    }
    expect(asked.length).toBeGreaterThan(4_000);
    expect(Math.max(...perTwentiethSecond.values())).toBeLessThan(160);
    reflectors = [];
  });
});

describe('a server that is there, and fails', () => {
  const failing =
    (list: Reply, probe: (at: number) => Reply | undefined = () => undefined) =>
    (question: Question): Reply | undefined =>
      question === 'probe' ? probe(clock.now()) : list;
  const attempts = (from: number): number =>
    server.questions('list', from).length + server.questions('watch', from).length;

  it.each<[string, Reply]>([
    ['500', { status: 500 }],
    ['403', { status: 403 }],
    ['no answer', 'refused'],
  ])('with %s is asked no more often than the backoff says, and once more', async (_, reply) => {
    await start(() => 0);
    const from = clock.now();
    server.reply = failing(reply);
    server.hangUp();
    await clock.pass(600_000);
    // Of each kind: when it was lost, 6 pauses up to 15.75 s, one each 15 s, and one when it was found back.
    expect(attempts(from) / 2).toBeLessThanOrEqual(1 + 6 + 39 + 1);
    expect(await untilInStep()).toBeLessThanOrEqual(15_000);
  });

  it.each<[string, Reply | undefined, Reply]>([
    ['ready and not', undefined, { status: 503 }],
    ['ready and gone', undefined, 'refused'],
    ['unready and gone', { status: 500 }, 'refused'],
  ])('and is %s, in turn, is hardly asked more often', async (_, one, other) => {
    await start(() => 0);
    server.hangUp();
    const from = clock.now();
    let probes = 0;
    server.reply = failing({ status: 500 }, () => ((probes += 1) % 2 === 0 ? one : other));
    await clock.pass(600_000);
    expect(probes).toBeGreaterThan(500);
    expect(attempts(from) / 2).toBeLessThanOrEqual(1 + 6 + 39 + 1);
  });

  it.each([429, 503])('with %i and Retry-After is left alone for so long, by probes too', async (status) => {
    await start(() => 0);
    server.hangUp();
    const from = clock.now();
    server.reply = failing({ status, retryAfterMs: 30_000 });
    await clock.pass(29_000);
    expect(attempts(from)).toBe(2);
    expect(server.questions('probe', from)).toEqual([]);
    await clock.pass(5_000);
    expect(attempts(from)).toBe(4);
  });

  it.each([
    ['watch', 'remembered', 4_000],
    ['list', 'forgotten', 4_000],
  ])('for a moment after its return (%s, what was known is %s) is soon asked again', async (...row) => {
    const [failingQuestion, memory, withinMs] = row;
    await start(() => 0);
    replyAll('refused');
    await clock.pass(600_000);
    const from = clock.now();
    server.resourceVersion += 1;
    server.forgets = memory === 'forgotten';
    server.reply = (question) =>
      question === failingQuestion && clock.now() < from + 1_500 ? { status: 503 } : undefined;
    await clock.pass(60_000, () => liveAt.every((at) => at >= from));
    expect(Math.max(...liveAt) - from).toBeLessThan(withinMs);
  });
});

it('a kubeconfig that changes counts as news of the server', async () => {
  await start(() => 0);
  server.hangUp();
  server.reply = (question) => (question === 'probe' ? undefined : { status: 401 });
  await clock.pass(60_000);
  server.revision += 1;
  expect(await untilInStep()).toBeLessThanOrEqual(1_000);
});

it('probes end with the last that is out of step, and with the reflectors', async () => {
  await start(() => 0);
  const probes = (from: number): number => server.questions('probe', from).length;
  await clock.pass(60_000);
  expect(probes(0)).toBe(0);
  replyAll('refused');
  await clock.pass(10_000);
  expect(probes(0)).toBeGreaterThan(15);
  await untilInStep();
  const inStepAt = clock.now() + 1;
  await clock.pass(60_000);
  expect(probes(inStepAt)).toBe(0);
  replyAll({ status: 503 });
  await clock.pass(700);
  const [first, second] = reflectors;
  await first?.close();
  expect(probes(inStepAt)).toBe(1);
  await clock.pass(10_000);
  expect(probes(inStepAt)).toBe(21);
  await second?.close();
  await clock.pass(10_000);
  expect(probes(inStepAt)).toBe(21);
});
