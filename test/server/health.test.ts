import { createServer, type Server } from 'node:http';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { classifyPath } from '../../src/request/steps/classify-path.js';
import { createPathClassifier } from '../../src/paths/classify.js';
import { health, pingCheck, type HealthCheck } from '../../src/server/health.js';
import { chain } from '../../src/request/middleware.js';
import { listen } from '../support/listening.js';
import { anyCharacter } from '../support/any-character.js';

let server: Server;
let url: string;
let isReady = true;
let told: string[] = [];
const asked: string[] = [];

beforeAll(async () => {
  const check = (name: string, ok: () => boolean): HealthCheck => ({
    name,
    check: () => {
      asked.push(name);
      return { ok: ok() };
    },
  });
  const answer = chain([
    classifyPath({ classifier: createPathClassifier({ endpoints: ['/metrics'] }), extent: 'all' }),
    health(
      { live: [pingCheck], ready: [check('policy', () => isReady), check('shutdown', () => true)] },
      ({ name, type, ok }) => told.push(`${type} ${name} ${ok}`),
    ),
  ]);
  server = createServer((request, response) => {
    answer(request, response, () => response.writeHead(404).end());
  });
  // Kept open however slow the machine is: a client may send on a connection that is just being closed.
  server.keepAliveTimeout = 60_000;
  url = `http://127.0.0.1:${(await listen(server)).port}`;
});
afterEach(() => {
  isReady = true;
  told = [];
  asked.length = 0;
});

async function ask(target: string): Promise<[status: number, body: string]> {
  const answer = await fetch(`${url}${target}`);
  return [answer.status, await answer.text()];
}

describe('health', () => {
  const all = '[+]ping ok\n[+]policy ok\n[+]shutdown ok\n';
  const warning = (names: string) => `warn: some health checks cannot be excluded: no matches for ${names}\n`;
  // As kube-apiserver answers.
  it.each(
    Object.entries({
      '/readyz': 'ok',
      '/readyz?exclude=policy': 'ok',
      '/readyz?exclude=nope': 'ok',
      '/readyz?verbose': `${all}readyz check passed\n`,
      '/readyz?verbose=0': `${all}readyz check passed\n`,
      '/readyz?verbose&exclude=policy':
        '[+]ping ok\n[+]policy excluded: ok\n[+]shutdown ok\nreadyz check passed\n',
      '/readyz?exclude=shutdown&verbose&exclude=ping&exclude=ping':
        '[+]ping excluded: ok\n[+]policy ok\n[+]shutdown excluded: ok\nreadyz check passed\n',
      '/readyz?verbose&exclude=z&exclude=policy&exclude=Ping&exclude=z': `[+]ping ok\n[+]policy excluded: ok\n[+]shutdown ok\n${warning('"Ping","z"')}readyz check passed\n`,
      '/readyz?verbose&exclude=': `${all}${warning('""')}readyz check passed\n`,
      '/readyz?verbose&exclude=a%0A%22%3Cb%3E': `${all}${warning('"a\\n\\"<b>"')}readyz check passed\n`,
      '/readyz?verbose&exclude=ping,policy': `${all}${warning('"ping,policy"')}readyz check passed\n`,
      '/livez?verbose&exclude=policy': `[+]ping ok\n${warning('"policy"')}livez check passed\n`,
      '/healthz?verbose&exclude=ping': '[+]ping excluded: ok\nhealthz check passed\n',
    }),
  )('%s', async (target, body) => {
    expect(await ask(target)).toEqual([200, body]);
  });

  it('that fails lists every check, and warns, without being asked to', async () => {
    isReady = false;
    expect(await ask('/readyz?exclude=shutdown&exclude=nope')).toEqual([
      500,
      `[+]ping ok\n[-]policy failed: reason withheld\n[+]shutdown excluded: ok\n${warning('"nope"')}readyz check failed\n`,
    ]);
    expect(told).toEqual(['readyz ping true', 'readyz policy false']);
  });

  it('does not ask, nor count, what is excluded', async () => {
    isReady = false;
    expect(await ask('/readyz?exclude=policy')).toEqual([200, 'ok']);
    expect(asked).toEqual(['shutdown']);
    expect(told).toEqual(['readyz ping true', 'readyz shutdown true']);
  });

  it('is one line a check and one of warning, whatever is excluded', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: anyCharacter }), { maxLength: 5 }), async (names) => {
        const query = names.map((name) => `&exclude=${encodeURIComponent(name.toWellFormed())}`).join('');
        const [status, body] = await ask(`/readyz?verbose${query}`);
        const isWarned = names.some((name) => !['ping', 'policy', 'shutdown'].includes(name));
        expect([status, body.split('\n').length]).toEqual([200, isWarned ? 6 : 5]);
      }),
    );
  });
});
