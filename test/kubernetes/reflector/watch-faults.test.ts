import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReflectorTiming } from '../../../src/kubernetes/reflector/reflector-options.js';
import { bookmark, errorEvent, eventOf, line, listOf, objectOf, statusOf, manyNames } from './api-objects.js';
import { expectOutcome, Following, lost, type Fault } from './following.js';
import {
  answer,
  closed,
  ending,
  reset,
  silence,
  stream,
  watchList,
  type Answer,
  type Line,
} from './scripted-api-server.js';

let following: Following;
beforeEach(() => {
  following = new Following();
});
afterEach(() => following.stop());

const added = eventOf('ADDED', 'c', 11);
const unreadable = eventOf('ADDED', 'c', 11, 'unreadable');
/** How every one of these watches begins. */
const start = watchList(['a', 'b'], 10);
const started = ['replace a b', 'live'];
/** Where it goes on with something else. */
const startAnd = (...lines: readonly Line[]): Answer => watchList(['a', 'b'], 10, ...lines);

describe('a watch is resumed, and live when it has caught up, after', () => {
  interface Row {
    readonly fault: string;
    readonly reason: string;
    readonly answer: Answer;
    /** Whether `c` was added before. */
    readonly isApplied?: boolean;
    readonly timing?: Partial<ReflectorTiming>;
  }
  const malformed = (reason: string, ...lines: readonly Line[]): Row => ({
    fault: 'malformed',
    reason,
    answer: startAnd(...lines),
  });

  it.each(
    Object.entries<Row>({
      'a line that is cut off': {
        fault: 'malformed',
        reason: 'ends in the middle of a line',
        answer: ending(startAnd(added.slice(0, 20))),
      },
      'a line that is cut off behind a whole one': {
        fault: 'malformed',
        reason: 'ends in the middle of a line',
        answer: ending(startAnd(added, added.slice(0, -1))),
        isApplied: true,
      },
      'a line of garbage': malformed('not JSON', 'token: {\n'),
      'a line of garbage behind an event': { ...malformed('not JSON', added, '{\n'), isApplied: true },
      'a line that is not UTF-8': malformed(
        'a line is not UTF-8',
        Buffer.from('{"type":"\xff"}\n', 'latin1'),
      ),
      'a line that is null': malformed('an event of an unknown type', 'null\n'),
      'an event of an unknown type': malformed(
        'an event of an unknown type',
        line({ type: 'REPLACED', object: objectOf('a', 11) }),
      ),
      'an event without a resourceVersion': malformed(
        'an event without a resourceVersion',
        line({ type: 'ADDED', object: { metadata: { name: 'c' } } }),
      ),
      'a deletion without a name': malformed(
        'an event of an object without a name',
        line({ type: 'DELETED', object: { metadata: { resourceVersion: '11' } } }),
      ),
      'an object that cannot be read': malformed('c is\\u000aunreadable', unreadable),
      'a broken connection': {
        fault: 'connection',
        reason: 'http://127.0.0.1: ECONNRESET',
        answer: reset(start),
      },
      'a connection that breaks in the middle of a line': {
        fault: 'connection',
        reason: 'http://127.0.0.1: ECONNRESET',
        answer: reset(startAnd(added), added.slice(0, 20)),
        isApplied: true,
      },
      'a connection that swallows all bytes': {
        fault: 'stalled',
        reason: 'nothing came for 0.15 s',
        answer: start,
        timing: { minWatchSeconds: 0, maxWatchSeconds: 0, watchGraceMs: 150 },
      },
      'an error as an event': {
        fault: 'status',
        reason: '500 InternalError',
        answer: startAnd(errorEvent(500, 'InternalError', { message: 'request 4711 failed' })),
      },
      'an error of which nothing can be read': {
        fault: 'status',
        reason: '500',
        answer: startAnd(line({ type: 'ERROR', object: { code: 'x' } })),
      },
      'too many requests as an event': {
        fault: 'throttled',
        reason: '429 TooManyRequests',
        answer: startAnd(errorEvent(429, 'TooManyRequests')),
      },
    }),
  )('%s', async (_, { fault, reason, answer: first, isApplied = false, timing = {} }) => {
    await following.start([first], timing);
    await expectOutcome(following, {
      calls: [...started, ...(isApplied ? ['set c'] : []), lost('watch', reason), 'live'],
      reports: ['watch-list success', `watch ${fault}`],
      requests: ['watch-list', isApplied ? 'watch 11' : 'watch 10'],
    });
  });

  const refused = (status: number, reason: string, message: string): Answer =>
    answer(status, statusOf(status, reason, { message }));

  it.each<[string, string, string, Answer]>([
    ['401', 'refused', '401 Unauthorized: Unauthorized', refused(401, 'Unauthorized', 'Unauthorized')],
    ['403', 'refused', '403 Forbidden: you may not', refused(403, 'Forbidden', 'you may not')],
    ['404', 'status', '404 NotFound: there is none', refused(404, 'NotFound', 'there is none')],
    ['429', 'throttled', '429 TooManyRequests', refused(429, 'TooManyRequests', 'request 4711')],
    ['500', 'status', '500 InternalError', refused(500, 'InternalError', 'request 4711')],
    ['503 without a Status', 'status', '503', answer(503, '<html>down</html>')],
    ['a redirect', 'status', '307', answer(307, '', { Location: '/elsewhere' })],
    [
      'an error without end',
      'status',
      '502',
      ({ response }) => {
        response.writeHead(502);
        response.write('x'.repeat(100_000));
      },
    ],
    [
      'an error whose body never comes',
      'status',
      '502',
      ({ response }) => {
        response.writeHead(502);
        response.write('{');
      },
    ],
    [
      'an error whose body breaks off',
      'status',
      '500',
      ({ response }) => {
        response.writeHead(500, { 'Content-Length': '100' });
        response.write('x', () => response.socket?.resetAndDestroy());
      },
    ],
    [
      'a broken connection in the place of an answer',
      'connection',
      'http://127.0.0.1: ECONNRESET',
      ({ response }) => {
        response.socket?.resetAndDestroy();
      },
    ],
    ['no answer', 'stalled', 'nothing came for 0.5 s', silence],
    ['an end at once', 'connection', 'ended at once', closed()],
    ['an end at once behind nothing new', 'connection', 'ended at once', closed(bookmark(11))],
  ])('%s', async (what, fault, reason, refusal) => {
    const headersMs = /never|no answer/.test(what) ? 500 : 10_000;
    const shortWatchMs = what.startsWith('an end at once') ? 1000 : 0;
    // The first watch ends as it should, after something new.
    await following.start([ending(startAnd(added)), refusal], { headersMs, shortWatchMs });
    await expectOutcome(following, {
      calls: [...started, 'set c', lost('watch', reason), 'live'],
      reports: ['watch-list success', 'watch closed', `watch ${fault}`],
      requests: ['watch-list', 'watch 11', 'watch 11'],
    });
  });

  it('a server that was away', async () => {
    await following.start([start]);
    expect(await following.calls(2)).toEqual(started);
    await following.server.stop();
    expect(await following.calls(2)).toEqual([
      lost('watch', 'http://127.0.0.1: ECONNRESET'),
      lost('watch', 'http://127.0.0.1: ECONNREFUSED'),
    ]);
    await following.server.start();
    expect(await following.calls(1)).toEqual(['live']);
    expect(following.requests).toEqual(['watch-list', 'watch 10']);
  });
});

describe('when a watch is resumed, the server is asked', () => {
  it('whether it has the same history, and asked again when that fails', async () => {
    following.server.scriptFirst(
      answer(500, statusOf(500, 'InternalError')),
      answer(200, 'nothing'),
      answer(200, listOf(['a'], 11)),
    );
    await following.start([ending(startAnd(added)), answer(503, '')]);
    await expectOutcome(following, {
      calls: [
        ...started,
        'set c',
        lost('watch', '503'),
        lost('watch', '500 InternalError'),
        lost('watch', 'not JSON'),
        'live',
      ],
      reports: ['watch-list success', 'watch closed', 'watch status', 'watch status', 'watch malformed'],
      requests: ['watch-list', 'watch 11', 'watch 11', 'watch 11', 'watch 11'],
    });
  });

  const failing = errorEvent(500, 'InternalError');

  it.each<[string, readonly Answer[], object, readonly string[]]>([
    ['another that is known', [startAnd(failing)], listOf(['b'], 10), []],
    [
      'one that was added since',
      [startAnd(eventOf('ADDED', 'A', 11), failing)],
      listOf(['A'], 11),
      ['set A'],
    ],
    [
      'nothing, where everything was deleted since',
      [startAnd(eventOf('DELETED', 'a', 11), eventOf('DELETED', 'b', 11), failing)],
      listOf([], 11),
      ['delete a', 'delete b'],
    ],
    [
      'nothing, where the last list had nothing',
      [startAnd(errorEvent(410, 'Expired')), watchList([], 11, failing)],
      listOf([], 11),
      [lost('watch', '410 Expired'), 'replace', 'live'],
    ],
  ])('and may list first %s', async (_, answers, first, calls) => {
    following.server.scriptFirst(answer(200, first));
    await following.start(answers);
    const lostAndFound = [lost('watch', '500 InternalError'), 'live'];
    expect(await following.calls(calls.length + 4)).toEqual([...started, ...calls, ...lostAndFound]);
    expect(following.requests.at(-1)).toMatch(/^watch 1/);
  });
});

describe('everything is listed anew, and nothing emptied before, after', () => {
  const again = watchList(['b', 'd'], 20);
  const mended = ['replace b d', 'live'];
  const behind = 'the server went back to an older resourceVersion';
  /** Of what needs no more than one list. */
  const expired: Omit<Fault, 'answers'> = {
    calls: [...started, lost('watch', '410 Expired'), ...mended],
    reports: ['watch-list success', 'watch expired', 'watch-list success'],
    requests: ['watch-list', 'watch-list'],
  };
  const isAhead = { details: { causes: [{ reason: 'ResourceVersionTooLarge' }], retryAfterSeconds: 1 } };

  it.each(
    Object.entries<Fault>({
      '410 as an event': { ...expired, answers: [startAnd(errorEvent(410, 'Expired')), again] },
      '410 as a status': {
        answers: [ending(startAnd(added)), answer(410, statusOf(410, 'Expired')), again],
        calls: [...started, 'set c', lost('watch', '410 Expired'), ...mended],
        reports: ['watch-list success', 'watch closed', 'watch expired', 'watch-list success'],
        requests: ['watch-list', 'watch 11', 'watch-list'],
      },
      'an event from before the list': {
        ...expired,
        answers: [startAnd(eventOf('DELETED', 'a', 9)), again],
        calls: [...started, lost('watch', behind), ...mended],
      },
      'a bookmark from before the list': {
        ...expired,
        answers: [startAnd(bookmark(9)), again],
        calls: [...started, lost('watch', behind), ...mended],
      },
      'a resourceVersion ahead of the server': {
        ...expired,
        answers: [startAnd(errorEvent(504, 'Timeout', isAhead)), again],
        calls: [...started, lost('watch', '504 Timeout'), ...mended],
      },
      'a second malformed event at one resourceVersion': {
        answers: [startAnd(unreadable), stream(unreadable), again],
        calls: [...started, lost('watch', 'c is\\u000aunreadable'), ...mended],
        reports: ['watch-list success', 'watch malformed', 'watch malformed', 'watch-list success'],
        requests: ['watch-list', 'watch 10', 'watch-list'],
      },
      'a second error event at one resourceVersion': {
        answers: [
          startAnd(errorEvent(500, 'InternalError')),
          stream(errorEvent(500, 'InternalError')),
          again,
        ],
        calls: [...started, lost('watch', '500 InternalError'), ...mended],
        reports: ['watch-list success', 'watch status', 'watch status', 'watch-list success'],
        requests: ['watch-list', 'watch 10', 'watch-list'],
      },
      'a resourceVersion that the server cannot read': {
        answers: [ending(startAnd(added)), answer(400, statusOf(400, 'BadRequest')), again],
        calls: [...started, 'set c', lost('watch', '400 BadRequest'), ...mended],
        reports: ['watch-list success', 'watch closed', 'watch status', 'watch-list success'],
        requests: ['watch-list', 'watch 11', 'watch-list'],
      },
    }),
  )('%s', async (_, { answers, ...outcome }) => {
    await following.start(answers);
    await expectOutcome(following, outcome);
  });

  const other = 'the server may have another history than before';

  it.each<[string, Answer]>([
    ['knows less than before', answer(200, listOf(['a'], 9))],
    [
      'has another object of a known name',
      answer(200, { ...listOf([], 11), items: [objectOf('a', 1, 'a', 'another')] }),
    ],
    ['has an object that is not known', answer(200, listOf(['A'], 11))],
    ['has no object any more', answer(200, listOf([], 11))],
    ['lets nobody list', answer(403, statusOf(403, 'Forbidden'))],
  ])('a loss, when the server then %s', async (_, first) => {
    following.server.scriptFirst(first);
    await following.start([startAnd(errorEvent(500, 'InternalError')), stream(), again]);
    await expectOutcome(following, {
      calls: [...started, lost('watch', '500 InternalError'), lost('watch', other), ...mended],
      reports: ['watch-list success', 'watch status', 'watch expired', 'watch-list success'],
      requests: ['watch-list', 'watch 10', 'watch-list'],
    });
  });

  it('a server that lost what it knew: its older list is believed', async () => {
    await following.start([startAnd(bookmark(9)), watchList(['b'], 5, eventOf('ADDED', 'e', 6))]);
    await expectOutcome(following, {
      ...expired,
      calls: [...started, lost('watch', behind), 'replace b', 'live', 'set e'],
    });
  });

  describe('what expires again and again', () => {
    const expiring = startAnd(errorEvent(410, 'Expired'));
    const timing = { backoffBaseMs: 20, backoffCapMs: 40 };
    const random = (): number => 0;
    const delays = (): readonly number[] => following.observer.retries.untaken.map(({ delayMs }) => delayMs);

    it('after pauses, of which the first does not count, and is out of step in each of them', async () => {
      await following.start([expiring, expiring, expiring, expiring, start], timing, { random });
      const anew = [lost('watch', '410 Expired'), ...started];
      expect(await following.calls(14)).toEqual([...started, ...anew, ...anew, ...anew, ...anew]);
      expect(delays()).toEqual([20, 20, 40, 40]);
    });

    it('after other failures counts anew each time, and failures of watches are none of lists', async () => {
      const unavailable = answer(503, '');
      const gone = answer(410, '');
      await following.start(
        [ending(start), unavailable, unavailable, gone, unavailable, ending(start), unavailable, gone, start],
        { backoffBaseMs: 20, backoffCapMs: 200 },
        { random },
      );
      await expect.poll(() => following.requests).toHaveLength(9);
      // Two watches, the first 410, a list, a watch, and the first 410 since.
      expect(delays()).toEqual([20, 40, 20, 20, 80, 20]);
    });
  });
});

describe('what goes on for ever', () => {
  it('a watch that drips past its promised end', async () => {
    const dripping: Answer = (exchange) => {
      start(exchange);
      const drip = setInterval(() => exchange.response.write('\n'), 20);
      exchange.response.once('close', () => {
        clearInterval(drip);
      });
    };
    const timing = { minWatchSeconds: 0, maxWatchSeconds: 0, watchGraceMs: 100 };
    await following.start([dripping, answer(503, '')], timing);
    expect(await following.calls(3)).toEqual([...started, lost('watch', 'was not at its end after 0.2 s')]);
  });

  it('the question whether the server is the same', async () => {
    const dripping: Answer = ({ response }) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write(' '), 20);
      response.once('close', () => {
        clearInterval(drip);
      });
    };
    following.server.scriptFirst(dripping);
    await following.start([ending(startAnd(added)), stream()], { questionMs: 200, shortWatchMs: 0 });
    expect(await following.calls(5)).toEqual([
      ...started,
      'set c',
      lost('watch', 'was not at its end after 0.2 s'),
      'live',
    ]);
  });

  it('watches that end behind something new, but at once: the next has to wait', async () => {
    await following.start(
      Array.from({ length: 100 }, (_, at) => ending(at === 0 ? start : stream(bookmark(10 + at)))),
      { shortWatchMs: 100 },
    );
    await following.calls(2);
    await setTimeout(450);
    expect(following.requests.length).toBeLessThan(8);
  });
});

describe('a watch that is resumed has caught up', () => {
  const startMany = watchList(manyNames, 10);
  const startedMany = [`replace ${manyNames.join(' ')}`, 'live'];

  it('by a list of one page, where there is no more and the server has gone on', async () => {
    following.server.scriptFirst(answer(200, listOf(['a'], 12)));
    await following.start([ending(start), answer(503, ''), stream(), watchList(['a'], 12)]);
    await expectOutcome(following, {
      calls: [...started, lost('watch', '503'), 'replace a', 'live'],
      reports: ['watch-list success', 'watch closed', 'watch status', 'watch-list success'],
      requests: ['watch-list', 'watch 10', 'watch 10', 'watch-list'],
    });
  });

  it('not before it has told what the server had by then, however quiet it is', async () => {
    following.server.scriptFirst(answer(200, listOf(['a'], 12)));
    const late: Answer = (exchange) => {
      stream()(exchange);
      void setTimeout(200).then(() => exchange.response.write(eventOf('DELETED', 'b1', 12)));
    };
    await following.start([ending(startMany), answer(503, ''), late], { catchUpMs: 20 });
    expect(await following.calls(5)).toEqual([...startedMany, lost('watch', '503'), 'delete b1', 'live']);
  });

  it('at its promised end, where nothing of its kind is among that', async () => {
    following.server.scriptFirst(answer(200, listOf(['a'], 1_000_000)));
    const quiet: Answer = (exchange) => {
      stream()(exchange);
      void setTimeout(700).then(() => exchange.response.end());
    };
    await following.start([ending(startMany), answer(503, ''), quiet], { catchUpMs: 20, catchUpSeconds: 1 });
    expect(await following.calls(4)).toEqual([...startedMany, lost('watch', '503'), 'live']);
  });
});

it('a list that had to wait for others is old by then, and followed by the next', async () => {
  let isFirst = true;
  following.sink.beforeReplace = async () => {
    if (isFirst) await setTimeout(100);
    isFirst = false;
  };
  await following.start([watchList(['a', 'b'], 10), watchList(['b'], 20)], { replaceMs: 50 });
  expect(await following.calls(4)).toEqual([
    'replace a b',
    lost('watch-list', 'the list had to wait, and is old by now'),
    'replace b',
    'live',
  ]);
});

it('everything is listed anew from time to time, though nothing failed', async () => {
  await following.start([ending(start), ending(stream(bookmark(11))), watchList(['b'], 20)], {
    relistMs: 0,
    shortWatchMs: 0,
  });
  expect(await following.calls(4)).toEqual([...started, 'replace b', 'live']);
});
