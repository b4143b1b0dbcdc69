import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  bookmark,
  decodeItem,
  errorEvent,
  eventOf,
  listOf,
  statusOf,
  type Item,
  manyNames,
} from './api-objects.js';
import { expectOutcome, Following, lost, path } from './following.js';
import { answer, closed, ending, silence, stream, watchList, type Answer } from './scripted-api-server.js';

let following: Following;
beforeEach(() => {
  following = new Following();
});
afterEach(() => following.stop());

const unavailable = answer(503, statusOf(503, 'ServiceUnavailable'));
const start = watchList(['a', 'b'], 10);
const started = ['replace a b', 'live'];

describe('a watch', () => {
  it('applies one change after the other', async () => {
    await following.start([
      watchList(
        ['a', 'b'],
        10,
        eventOf('ADDED', 'c', 11),
        eventOf('MODIFIED', 'a', 12, 'new'),
        bookmark(15),
        eventOf('DELETED', 'b', 16),
      ),
    ]);
    expect(await following.calls(5)).toEqual([...started, 'set c', 'set a', 'delete b']);
    expect([...following.sink.items.values()]).toEqual([
      { name: 'a', value: 'new' },
      { name: 'c', value: 'c' },
    ]);
    expect(following.observer.applications).toHaveLength(3);
    for (const seconds of following.observer.applications) {
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThan(1);
    }
  });

  it('that ends as it should goes on from the last bookmark, and is live all the while', async () => {
    await following.start([
      ending(watchList(['a', 'b'], 10, eventOf('ADDED', 'c', 11))),
      closed(bookmark(15)),
      stream(eventOf('ADDED', 'd', 16)),
    ]);
    await expectOutcome(following, {
      calls: [...started, 'set c', 'set d'],
      reports: ['watch-list success', 'watch closed', 'watch closed'],
      requests: ['watch-list', 'watch 11', 'watch 15'],
    });
  });

  it('goes on where resourceVersions are no numbers', async () => {
    await following.start([
      answer(405, ''),
      answer(200, listOf(['a'], 'b-2')),
      closed(eventOf('ADDED', 'c', 'a-1')),
      stream(bookmark('a-0'), eventOf('ADDED', 'd', 'z')),
    ]);
    expect(await following.calls(4)).toEqual(['replace a', 'live', 'set c', 'set d']);
    expect(following.requests.slice(2)).toEqual(['watch b-2', 'watch a-1']);
  });

  it('asks for bookmarks and for an end within a minute, not always the same', async () => {
    const ends = Array.from({ length: 40 }, (_, at) => closed(bookmark(11 + at)));
    await following.start([ending(start), ...ends]);
    await expect.poll(() => following.server.exchanges.length).toBe(42);
    const [first, ...others] = following.server.exchanges.map(({ query }) => query);
    const seconds = others.map((query) => Number(query.get('timeoutSeconds')));
    expect(Object.fromEntries(first ?? [])).toEqual({
      watch: 'true',
      sendInitialEvents: 'true',
      resourceVersionMatch: 'NotOlderThan',
      allowWatchBookmarks: 'true',
      timeoutSeconds: expect.stringMatching(/^\d\d$/) as string,
    });
    expect(Object.fromEntries(others[1] ?? [])).toEqual({
      watch: 'true',
      resourceVersion: '11',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds[1]),
    });
    expect(Math.min(...seconds)).toBeGreaterThanOrEqual(45);
    expect(Math.max(...seconds)).toBeLessThanOrEqual(60);
    expect(new Set(seconds).size).toBeGreaterThan(5);
  });

  it('whose change the sink refuses is tried again, then listed anew', async () => {
    const added = eventOf('ADDED', 'c', 11);
    following.sink.set = () => {
      throw new TypeError('no room');
    };
    await following.start([watchList(['a', 'b'], 10, added), stream(added), start]);
    await expectOutcome(following, {
      calls: [...started, lost('watch', 'no room'), ...started],
      reports: ['watch-list success', 'watch malformed', 'watch malformed', 'watch-list success'],
      requests: ['watch-list', 'watch 10', 'watch-list'],
    });
  });

  it('is tried again, then listed anew, in turns while the same event stays malformed', async () => {
    const garbage = watchList(['a', 'b'], 10, 'garbage\n');
    await following.start([garbage, stream('garbage\n'), garbage, stream('garbage\n'), start]);
    const reason = lost('watch', 'not JSON');
    expect(await following.calls(8)).toEqual([...started, reason, ...started, reason, ...started]);
    expect(following.requests).toEqual(['watch-list', 'watch 10', 'watch-list', 'watch 10', 'watch-list']);
  });

  it('makes the server wait while a list is taken in', async () => {
    let release = (): void => undefined;
    following.sink.beforeReplace = () => new Promise((resolve) => (release = resolve));
    const value = 'x'.repeat(100_000);
    const events = Array.from({ length: 200 }, (_, at) => eventOf('MODIFIED', 'a', 11 + at, value));
    await following.start([watchList(['a', 'b'], 10, ...events)]);
    await following.server.requests.next();
    const { response } = following.server.latest;
    // As much as the kernel takes; then nothing moves any more.
    let waiting = -1;
    await vi.waitFor(
      () => {
        const before = waiting;
        waiting = response.writableLength;
        expect(waiting).toBe(before);
      },
      { interval: 50, timeout: 20_000 },
    );
    expect(waiting).toBeGreaterThan(1_000_000);
    expect(following.sink.calls.untaken).toEqual([]);
    release();
    expect(await following.calls(202)).toEqual([...started, ...events.map(() => 'set a')]);
  });

  it('lets everything else have its turn between events', async () => {
    let turn = 0;
    const turns: number[] = [];
    following.sink.set = () => {
      turns.push(turn);
      if (turns.length === 1) nextTurn();
      if (turns.length === 100) following.sink.calls.add('done');
    };
    const nextTurn = (): void => {
      turn += 1;
      if (turns.length < 100) setImmediate(nextTurn);
    };
    const events = Array.from({ length: 100 }, (_, at) => eventOf('MODIFIED', 'a', 11 + at));
    await following.start([watchList(['a', 'b'], 10, events.join(''))], { sliceMs: 0 });
    expect(await following.calls(3)).toEqual([...started, 'done']);
    expect(new Set(turns).size).toBe(100);
  });
});

it('a list lets everything else have its turn between objects', async () => {
  let turn = 0;
  const turns = new Set<number>();
  const decode = (object: unknown): Item => {
    if (turns.size === 0) nextTurn();
    turns.add(turn);
    return decodeItem(object);
  };
  const nextTurn = (): void => {
    turn += 1;
    if (turns.size < 100) setImmediate(nextTurn);
  };
  const names = Array.from({ length: 100 }, (_, at) => `a${at}`);
  await following.start([answer(422, ''), answer(200, listOf(names, 10))], { sliceMs: 0 }, { decode });
  await following.calls(2);
  expect(turns.size).toBe(100);
});

/** The clock of `lostSince`. */
const now = (): number => performance.timeOrigin + performance.now();

describe('what is lost', () => {
  it('is told once for each reason, with the last sign of life, and is live when a bookmark comes', async () => {
    const before = now();
    await following.start(
      [start, unavailable, unavailable, unavailable, answer(500, ''), unavailable, stream(bookmark(10))],
      { catchUpMs: 1_000_000 },
    );
    expect(await following.calls(2)).toEqual(started);
    const after = now();
    following.server.latest.response.socket?.resetAndDestroy();
    expect(await following.calls(5)).toEqual([
      lost('watch', 'http://127.0.0.1: ECONNRESET'),
      lost('watch', '503 ServiceUnavailable'),
      lost('watch', '500'),
      lost('watch', '503 ServiceUnavailable'),
      'live',
    ]);
    expect(following.sink.lostSince).toBeGreaterThanOrEqual(before);
    expect(following.sink.lostSince).toBeLessThanOrEqual(after);
  });

  it('was in step until the last bytes came, not until the loss was noticed', async () => {
    await following.start([start], { minWatchSeconds: 0, maxWatchSeconds: 0, watchGraceMs: 300 });
    expect(await following.calls(2)).toEqual(started);
    await setTimeout(20);
    const written = now();
    following.server.latest.response.write(eventOf('ADDED', 'c', 11));
    expect(await following.calls(1)).toEqual(['set c']);
    const seen = now();
    expect(await following.calls(1)).toEqual([lost('watch', 'nothing came for 0.3 s')]);
    expect(following.sink.lostSince).toBeLessThanOrEqual(seen);
    expect(following.sink.lostSince).toBeGreaterThanOrEqual(written);
    expect(now() - following.sink.lostSince).toBeGreaterThan(250);
  });

  it('was in step until the last watch ended as it should', async () => {
    await following.start([start, unavailable]);
    expect(await following.calls(2)).toEqual(started);
    const { response } = following.server.latest;
    await setTimeout(20);
    const ended = now();
    response.end();
    expect(await following.calls(1)).toEqual([lost('watch', '503 ServiceUnavailable')]);
    expect(following.sink.lostSince).toBeGreaterThanOrEqual(ended);
  });

  it('was in step until its resourceVersion expired, and is not while it is listed anew in vain', async () => {
    const slow: Answer = (exchange) => {
      stream(eventOf('ADDED', 'a', 1))(exchange);
      void setTimeout(50).then(() => exchange.response.end(eventOf('ADDED', 'b', 1)));
    };
    await following.start([watchList(['a', 'b'], 10, errorEvent(410, 'Expired')), slow]);
    expect(await following.calls(2)).toEqual(started);
    expect(await following.calls(2)).toEqual([
      lost('watch', '410 Expired'),
      lost('watch-list', 'ended before everything was told'),
    ]);
    expect(now() - following.sink.lostSince).toBeGreaterThanOrEqual(40);
  });

  it('is not live while a resumed watch is in the middle of an event', async () => {
    const deletion = eventOf('DELETED', 'a', 11);
    const slow: Answer = (exchange) => {
      stream(deletion.slice(0, -10))(exchange);
      void setTimeout(150).then(() => exchange.response.write(deletion.slice(-10)));
    };
    await following.start([ending(start), unavailable, slow]);
    expect(await following.calls(5)).toEqual([
      ...started,
      lost('watch', '503 ServiceUnavailable'),
      'delete a',
      'live',
    ]);
  });

  it('is not live before what came while this process was busy has been read', async () => {
    const busy: Answer = (exchange) => {
      stream()(exchange);
      const { response } = exchange;
      const beBusy = (): void => {
        response.write(eventOf('DELETED', 'a', 11));
        // Written at once, so that it is there, but has not been read, when time is up.
        response.socket?.uncork();
        const end = performance.now() + 200;
        while (performance.now() < end);
      };
      // Timers come next after immediates, and only then what can be read.
      void setTimeout(50).then(() => setImmediate(beBusy));
    };
    await following.start([ending(start), unavailable, busy], { catchUpMs: 100 });
    expect(await following.calls(5)).toEqual([
      ...started,
      lost('watch', '503 ServiceUnavailable'),
      'delete a',
      'live',
    ]);
  });

  it('is told again when it is lost again', async () => {
    await following.start([ending(start), unavailable, ending(stream(bookmark(11))), unavailable]);
    const reason = lost('watch', '503 ServiceUnavailable');
    expect(await following.calls(6)).toEqual([...started, reason, 'live', reason, 'live']);
  });

  it('is not in step by what a watch brings that has not caught up', async () => {
    await following.start(
      [
        ending(watchList(manyNames, 10)),
        unavailable,
        ending(stream(eventOf('ADDED', 'c', 11))),
        answer(500, ''),
        stream(eventOf('ADDED', 'd', 12)),
      ],
      { catchUpMs: 100 },
    );
    following.server.scriptFirst(answer(200, listOf(['a'], 12)));
    expect((await following.calls(3)).slice(1)).toEqual(['live', lost('watch', '503 ServiceUnavailable')]);
    const { lostSince } = following.sink;
    expect(await following.calls(4)).toEqual(['set c', lost('watch', '500'), 'set d', 'live']);
    expect(following.sink.lostSince).toBe(lostSince);
  });

  it('is told before the first list, too', async () => {
    const before = now();
    await following.start([unavailable, start]);
    expect(await following.calls(3)).toEqual([lost('watch-list', '503 ServiceUnavailable'), ...started]);
    expect(following.sink.lostSince).toBeGreaterThanOrEqual(before);
  });
});

describe('a retry', () => {
  const delays = (): readonly number[] =>
    following.observer.retries.untaken.map(({ delayMs }) => Math.round(delayMs));
  const random = (): number => 0;

  it('waits longer each time, whatever a watch brings before it fails', async () => {
    const failing = errorEvent(500, 'InternalError');
    await following.start(
      [
        ending(start),
        unavailable,
        unavailable,
        stream(failing),
        stream(bookmark(11), failing),
        stream(bookmark(12), failing),
        stream(eventOf('ADDED', 'c', 13)),
      ],
      { backoffBaseMs: 20, backoffCapMs: 100 },
      { random },
    );
    await expect.poll(() => following.sink.items.has('c')).toBe(true);
    expect(delays()).toEqual([20, 40, 80, 100, 100]);
  });

  it('waits longer each time, until a watch lasts', async () => {
    await following.start(
      [ending(start), unavailable, unavailable, stream()],
      { steadyWatchMs: 100, backoffBaseMs: 20, backoffCapMs: 100, catchUpMs: 110 },
      { random },
    );
    expect(await following.calls(4)).toEqual([...started, lost('watch', '503 ServiceUnavailable'), 'live']);
    following.server.latest.response.write(errorEvent(500, 'InternalError'));
    expect(await following.calls(1)).toEqual([lost('watch', '500 InternalError')]);
    expect(delays()).toEqual([20, 40, 20]);
  });

  const throttled = '429 TooManyRequests';
  it.each<[string, string, Answer]>([
    ['an answer', '429', answer(429, '', { 'Retry-After': '30' })],
    [
      'a Status',
      throttled,
      answer(429, statusOf(429, 'TooManyRequests', { details: { retryAfterSeconds: 30 } })),
    ],
    [
      'an event',
      throttled,
      stream(errorEvent(429, 'TooManyRequests', { details: { retryAfterSeconds: 30 } })),
    ],
  ])('waits for as long as %s asks', async (_, message, throttling) => {
    await following.start([ending(start), throttling], {}, { random });
    expect(await following.observer.retries.next()).toEqual({
      reason: `watch of ${path}: ${message}`,
      delayMs: 30_020,
    });
  });
});

describe('to close', () => {
  const timeouts = (): number =>
    process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;

  it.each<[string, readonly Answer[], readonly string[]]>([
    ['the headers of a watch-list are waited for', [silence], []],
    ['a watch-list is read', [stream(eventOf('ADDED', 'a', 1))], []],
    ['the headers of a list are waited for', [answer(422, ''), silence], []],
    ['a list is read', [answer(422, ''), stream('{"items":[')], []],
    ['an error is read', [({ response }) => response.writeHead(500).write('{')], []],
    ['a watch is idle', [start], started],
    ['the headers of a watch are waited for', [ending(start), silence], started],
    ['a retry is waited for', [answer(429, '', { 'Retry-After': '100' })], [lost('watch-list', '429')]],
  ])('while %s ends it at once', async (_, answers, calls) => {
    const before = timeouts();
    const reflector = await following.start(answers, { catchUpMs: 1_000_000 });
    expect(await following.calls(calls.length)).toEqual(calls);
    await expect.poll(() => following.server.exchanges.length).toBe(answers.length);
    const { response } = following.server.latest;
    const hasEnded = new Promise((resolve) => response.on('close', resolve));
    await reflector.close();
    if (!response.writableEnded) await hasEnded;
    await following.stop();
    expect(timeouts()).toBeLessThanOrEqual(before);
    expect(following.sink.calls.untaken).toEqual([]);
    expect(following.server.exchanges.length).toBe(answers.length);
  });

  it('applies nothing more of what has come already', async () => {
    let closing: Promise<void> | undefined;
    const reflector = await following.start([
      watchList(['a', 'b'], 10, [11, 12, 13].map((at) => eventOf('MODIFIED', 'a', at)).join('')),
    ]);
    following.sink.set = () => {
      closing = reflector.close();
      following.sink.calls.add('set');
    };
    expect(await following.calls(3)).toEqual([...started, 'set']);
    await closing;
    expect(following.sink.calls.untaken).toEqual([]);
  });

  it('waits for a list that is being taken in, of which nothing more is told', async () => {
    let release = (): void => undefined;
    const beginning = new Promise<void>((began) => {
      following.sink.beforeReplace = () => {
        began();
        return new Promise((resolve) => (release = resolve));
      };
    });
    const reflector = await following.start([start]);
    await beginning;
    let isClosed = false;
    const closing = reflector.close().then(() => (isClosed = true));
    await new Promise(setImmediate);
    expect(isClosed).toBe(false);
    release();
    await closing;
    expect(await following.calls(1)).toEqual(['replace a b']);
    expect(following.sink.calls.untaken).toEqual([]);
  });

  it('may be asked twice, or before the start', async () => {
    const reflector = await following.start([start]);
    expect(() => {
      reflector.start();
    }).toThrow('a reflector is started once');
    await Promise.all([reflector.close(), reflector.close()]);
    await reflector.close();
    expect(() => {
      reflector.start();
    }).toThrow('a reflector is started once');
  });
});

it('whoever listens cannot disturb by what he throws', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
  const fail = (): never => {
    throw new Error('of the observer');
  };
  following.sink.live = () => {
    following.sink.calls.add('live');
    fail();
  };
  following.sink.lost = (reason) => {
    following.sink.calls.add(`lost: ${reason}`);
    fail();
  };
  await following.start(
    [watchList(['a', 'b'], 10, eventOf('ADDED', 'c', 11), errorEvent(500, 'InternalError'))],
    {},
    { observer: { listed: fail, watched: fail, applied: fail, retrying: fail } },
  );
  expect(await following.calls(5)).toEqual([...started, 'set c', lost('watch', '500 InternalError'), 'live']);
  const warnings = new Set(warn.mock.calls.map(([warning]) => warning));
  expect([...warnings]).toEqual([`a listener of the reflector of ${path} failed with Error`]);
  warn.mockRestore();
});
