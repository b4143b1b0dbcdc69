import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorEvent, eventOf, listOf, objectOf, statusOf } from './api-objects.js';
import { expectOutcome, Following, lost } from './following.js';
import { answer, ending, reset, silence, stream, watchList, type Answer } from './scripted-api-server.js';

let following: Following;
beforeEach(() => {
  following = new Following();
});
afterEach(() => following.stop());

const unreadable = eventOf('ADDED', 'c', 11, 'unreadable');
const noWatchList = answer(422, statusOf(422, 'Invalid'));
const list = answer(200, listOf(['a', 'b'], 10));
const listed = ['replace a b', 'live'];
const expiredWatch = lost('watch', '410 Expired');

describe('a server without watch-lists', () => {
  it.each([400, 405, 422])(
    'is known by its %i, and listed by pages at once and from then on',
    async (code) => {
      await following.start([
        answer(code, statusOf(code, 'Invalid')),
        list,
        stream(errorEvent(410, 'Expired')),
        list,
      ]);
      await expectOutcome(following, {
        calls: [...listed, expiredWatch, ...listed],
        reports: ['watch-list status', 'list success', 'watch expired', 'list success'],
        requests: ['watch-list', 'list', 'watch 10', 'list'],
      });
      expect(following.observer.retries.untaken).toHaveLength(1);
    },
  );

  it('is one that has no such resource only where the list says so, too', async () => {
    await following.start([answer(404, statusOf(404, 'NotFound')), watchList(['a', 'b'], 10)]);
    await expectOutcome(following, {
      calls: [lost('watch-list', '404 NotFound'), ...listed],
      reports: ['watch-list status', 'watch-list success'],
      requests: ['watch-list', 'watch-list'],
    });
  });
});

describe('a watch-list', () => {
  const some = [eventOf('ADDED', 'a', 3), eventOf('ADDED', 'b', 2)];

  it.each<[string, string, string, Answer]>([
    ['that ends too early', 'connection', 'ended before everything was told', ending(stream(...some))],
    ['that breaks off', 'connection', 'http://127.0.0.1: ECONNRESET', reset(stream(...some))],
    ['that breaks off in a line', 'malformed', 'ends in the middle of a line', ending(stream('{"type'))],
    ['of garbage', 'malformed', 'not JSON', stream(...some, '<html>\n')],
    ['of what cannot be read', 'malformed', 'c is\\u000aunreadable', stream(...some, unreadable)],
    ['that has expired', 'expired', '410 Expired', stream(...some, errorEvent(410, 'Expired'))],
    [
      'that fails on the way',
      'status',
      '500 InternalError',
      stream(...some, errorEvent(500, 'InternalError')),
    ],
  ])('%s is followed by a list by pages, and the next one tried again', async (_, fault, reason, first) => {
    const expiring = stream(errorEvent(410, 'Expired'));
    await following.start([first, list, expiring, watchList(['d'], 20)], { listSilenceMs: 100 });
    await expectOutcome(following, {
      calls: [lost('watch-list', reason), ...listed, expiredWatch, 'replace d', 'live'],
      reports: [`watch-list ${fault}`, 'list success', 'watch expired', 'watch-list success'],
      requests: ['watch-list', 'list', 'watch 10', 'watch-list'],
    });
  });

  it('that pauses for ever is followed by lists by pages from then on: the server may not know what it is', async () => {
    const expiring = stream(errorEvent(410, 'Expired'));
    const next = answer(200, listOf(['d'], 20));
    await following.start([stream(...some), list, expiring, next], { listSilenceMs: 100 });
    await expectOutcome(following, {
      calls: [lost('watch-list', 'nothing came for 0.1 s'), ...listed, expiredWatch, 'replace d', 'live'],
      reports: ['watch-list stalled', 'list success', 'watch expired', 'list success'],
      requests: ['watch-list', 'list', 'watch 10', 'list'],
    });
  });

  it.each<[string, string, string, Answer]>([
    ['401', 'refused', '401 Unauthorized', answer(401, statusOf(401, 'Unauthorized'))],
    ['403', 'refused', '403 Forbidden', answer(403, statusOf(403, 'Forbidden'))],
    ['429', 'throttled', '429 TooManyRequests', answer(429, statusOf(429, 'TooManyRequests'))],
    ['500', 'status', '500 InternalError', answer(500, statusOf(500, 'InternalError'))],
    ['nothing', 'stalled', 'nothing came for 0.1 s', silence],
    [
      'a broken connection',
      'connection',
      'http://127.0.0.1: ECONNRESET',
      ({ response }) => {
        response.socket?.resetAndDestroy();
      },
    ],
  ])('that was answered by %s is tried again', async (_, fault, reason, first) => {
    await following.start([first, watchList(['a', 'b'], 10)], { headersMs: 100 });
    await expectOutcome(following, {
      calls: [lost('watch-list', reason), ...listed],
      reports: [`watch-list ${fault}`, 'watch-list success'],
      requests: ['watch-list', 'watch-list'],
    });
  });

  it('may change while it is told, and tell a name twice', async () => {
    await following.start([
      stream(
        eventOf('ADDED', 'a', 5, 'old'),
        eventOf('ADDED', 'b', 2),
        eventOf('ADDED', 'c', 3),
        eventOf('MODIFIED', 'a', 11, 'new'),
        eventOf('DELETED', 'b', 12),
      ),
    ]);
    await following.server.requests.next();
    following.server.latest.response.write(
      '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9","annotations":{}}}}\n' +
        '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12","annotations":{"k8s.io/initial-events-end":"true"}}}}\n',
    );
    expect(await following.calls(2)).toEqual(['replace a c', 'live']);
    expect(following.sink.items.get('a')).toEqual({ name: 'a', value: 'new' });
  });

  it('of nothing is believed', async () => {
    await following.start([watchList([], 1)]);
    expect(await following.calls(2)).toEqual(['replace', 'live']);
  });
});

describe('a list by pages', () => {
  const first = answer(200, listOf(['a', 'b'], 10, { continue: 'second' }));
  const second = answer(200, listOf(['c'], 10));

  it('is given when the last page has come', async () => {
    await following.start([
      noWatchList,
      first,
      answer(200, listOf(['c', 'd'], 10, { continue: 'third' })),
      answer(200, listOf(['e'], 11)),
    ]);
    await expectOutcome(following, {
      calls: ['replace a b c d e', 'live'],
      reports: ['watch-list status', 'list success'],
      requests: ['watch-list', 'list', 'list second', 'list third'],
    });
    expect(following.server.exchanges.map(({ query }) => query.get('limit'))).toEqual([
      null,
      '500',
      '500',
      '500',
    ]);
    // Nothing older than now is asked for.
    expect(following.server.exchanges[1]?.query.has('resourceVersion')).toBe(false);
  });

  it('is watched from the first page on, whatever a later one says: nothing is passed over', async () => {
    await following.start([
      noWatchList,
      first,
      answer(200, listOf(['c'], 12)),
      stream(eventOf('ADDED', 'd', 13)),
    ]);
    expect(await following.calls(3)).toEqual(['replace a b c', 'live', 'set d']);
    expect(following.requests.at(-1)).toBe('watch 10');
  });

  it.each([
    ['no items', { metadata: { resourceVersion: '1' }, items: [] }],
    ['null for items', { metadata: { resourceVersion: '1' }, items: null }],
    ['no items and an empty token', { metadata: { resourceVersion: '1', continue: '' }, items: [] }],
  ])('with %s is believed', async (_, body) => {
    await following.start([noWatchList, answer(200, body)]);
    expect(await following.calls(2)).toEqual(['replace', 'live']);
  });

  it('may tell a name twice, of which the later counts', async () => {
    const page = { ...listOf([], 10), items: [objectOf('a', 2, 'new'), objectOf('b', 2)] };
    await following.start([noWatchList, first, answer(200, page)]);
    expect(await following.calls(2)).toEqual(['replace a b', 'live']);
    expect(following.sink.items.get('a')).toEqual({ name: 'a', value: 'new' });
  });

  it('begins anew when its token has expired', async () => {
    const expired = answer(410, statusOf(410, 'Expired'));
    const timing = { backoffBaseMs: 40, backoffCapMs: 40 };
    await following.start([noWatchList, first, expired, first, expired, first, second], timing, {
      random: () => 0,
    });
    await expectOutcome(following, {
      calls: [lost('list', '410 Expired'), 'replace a b c', 'live'],
      reports: ['watch-list status', 'list expired', 'list expired', 'list success'],
      requests: ['watch-list', 'list', 'list second', 'list', 'list second', 'list', 'list second'],
    });
    expect(following.observer.retries.untaken.map(({ delayMs }) => delayMs)).toEqual([40, 40]);
  });

  it.each<[string, string, string, Answer]>([
    ['breaks off', 'malformed', 'ends in the middle of the list', answer(200, '{"metadata":{},"items":[')],
    ['is cut by its server', 'connection', 'http://127.0.0.1: ECONNRESET', reset(stream('{"items":['))],
    ['pauses for ever', 'stalled', 'nothing came for 0.1 s', stream('{"items":[')],
    ['is no JSON', 'malformed', 'not JSON', answer(200, '<html>')],
    ['has an item that is no JSON', 'malformed', 'not JSON', answer(200, '{"items":[{a}]}')],
    ['is no list', 'malformed', 'not a list', answer(200, statusOf(200, 'Success'))],
    ['has no resourceVersion', 'malformed', 'a list without a resourceVersion', answer(200, '{"items":[]}')],
    [
      'continues for ever',
      'malformed',
      'a list that continues where it began',
      answer(200, listOf([], 10, { continue: 'second' })),
    ],
    [
      'has an item that cannot be read',
      'malformed',
      'c is\\u000aunreadable',
      answer(200, { ...listOf([], 10), items: [objectOf('c', 1, 'unreadable')] }),
    ],
    ['is empty', 'malformed', 'ends in the middle of the list', answer(200, '')],
    ['is an error', 'status', '500 InternalError', answer(500, statusOf(500, 'InternalError'))],
    ['never comes', 'stalled', 'nothing came for 0.2 s', silence],
  ])('whose second page %s is given only when a later one is whole', async (_, fault, reason, page) => {
    await following.start([noWatchList, first, page, first, second], { headersMs: 200, listSilenceMs: 100 });
    await expectOutcome(following, {
      calls: [lost('list', reason), 'replace a b c', 'live'],
      reports: ['watch-list status', `list ${fault}`, 'list success'],
      requests: ['watch-list', 'list', 'list second', 'list', 'list second'],
    });
  });
});

it('what a watch missed while nobody watched is found by the list', async () => {
  await following.start([
    watchList(['a', 'b'], 10, eventOf('ADDED', 'c', 11), errorEvent(410, 'Expired')),
    watchList(['c', 'd'], 30),
  ]);
  expect(await following.calls(6)).toEqual([...listed, 'set c', expiredWatch, 'replace c d', 'live']);
  expect([...following.sink.items.keys()]).toEqual(['c', 'd']);
});

it('a sink that refuses a list is given the next', async () => {
  const refusals = [new Error('no\nroom')];
  following.sink.beforeReplace = () => {
    const refusal = refusals.pop();
    return refusal === undefined ? Promise.resolve() : Promise.reject(refusal);
  };
  await following.start([watchList(['a'], 10), list]);
  await expectOutcome(following, {
    calls: [lost('watch-list', 'no\\u000aroom'), ...listed],
    reports: ['watch-list malformed', 'list success'],
    requests: ['watch-list', 'list'],
  });
});
