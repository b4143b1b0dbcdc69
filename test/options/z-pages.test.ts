import { beforeEach, describe, expect, it } from 'vitest';
import { optionsIn, topic, type GivenOptions } from '../../src/options/option.js';
import { boolean, list, text } from '../../src/options/option-kinds.js';
import { flagsInForce } from '../../src/options/start-topics.js';
import { RawClient, type RawAnswer } from '../support/raw-tls.js';
import { startCli } from '../support/started-server.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

describe('the flags in force', () => {
  const options = optionsIn([
    topic('Some', {
      one: text('text').help('x'),
      two: text('text', 'preset').help('x'),
      list: list('values', ['a', 'b']).help('x'),
      switch: boolean(false).help('x'),
    }),
  ]);

  it.each<[GivenOptions, readonly string[]]>([
    [{}, ['', 'preset', 'a,b', 'false']],
    [{ one: '1', two: '', list: ['c', 'd'], switch: true }, ['1', '', 'c,d', 'true']],
    [{ list: [], switch: 'false' }, ['', 'preset', '', 'false']],
  ])('of %j are %j', (values, expected) => {
    expect(flagsInForce(values, options).map(({ value }) => value)).toEqual(expected);
    expect(flagsInForce(values, options).map(({ name }) => name)).toEqual(['one', 'two', 'list', 'switch']);
  });
});

describe('start', () => {
  let directory: TemporaryDirectory;
  beforeEach(() => {
    directory = temporaryDirectory();
  });

  async function answers(flags: readonly string[], ...paths: string[]): Promise<readonly RawAnswer[]> {
    const tokens = directory.write('tokens.csv', 'admin-token,root-admin,uid,system:masters\n');
    const server = await startCli(['--mode=shard', `--token-auth-file=${tokens}`, ...flags]);
    const client = new RawClient({ port: server.port });
    const headers = { Authorization: 'Bearer admin-token' };
    const received: RawAnswer[] = [];
    for (const path of paths) received.push(await client.request(path, { headers }));
    return received;
  }

  it('serves no pages unless it is told to, as kcp withholds them', async () => {
    const codes = await answers([], '/', '/statusz', '/flagz');
    expect(codes.map(({ status }) => status)).toEqual([404, 404, 404]);
  });

  it('tells of every flag, of the certificates and of the upstreams', async () => {
    const [flagz, statusz] = await answers(
      [
        '--enable-z-pages',
        '--upstream=app=http://127.0.0.1:9/metrics?token=hunter2',
        '--scrape-freshness=2s',
      ],
      '/flagz',
      '/statusz',
    );
    for (const line of [
      'enable-z-pages=true',
      'scrape-freshness=2s',
      'secure-port=0',
      'upstream=app=http://127.0.0.1:9/metrics?CLASSIFIED',
    ]) {
      expect(flagz?.body.split('\n')).toContain(line);
    }
    expect(statusz?.body).toMatch(/^ {2}bootstrap +synced +0s +\d+ roles, \d+ bindings$/m);
    expect(statusz?.body).toMatch(/^ {2}--tls-cert-file +20\S+Z +\d+$/m);
    expect(statusz?.body).toMatch(/^ {2}app +http:\/\/127\.0\.0\.1:9\/metrics\?CLASSIFIED$/m);
    expect(`${flagz?.body}${statusz?.body}`).not.toMatch(/hunter2|admin-token/);
  });
});
