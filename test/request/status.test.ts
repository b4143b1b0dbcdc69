import { once } from 'node:events';
import { createServer, request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { metricsFilter, tokenFileAuthenticator, type Authorizer } from '../../src/index.js';
import { sendInternalError } from '../../src/request/answer/status.js';
import { listen } from '../support/listening.js';
import { filterOptions, tokens } from '../support/filter.js';
import { negotiate, yamlOf, type PlainObject } from '../../src/request/answer/object-body.js';
import { anyCharacter } from '../support/any-character.js';

const marked = `b<i>&"'o`;
const compact = (message: string, rest: string): string =>
  `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":${JSON.stringify(message)},${rest}}\n`;
const unauthorized = compact('Unauthorized', '"reason":"Unauthorized","code":401');
const indented = `{
  "kind": "Status",
  "apiVersion": "v1",
  "metadata": {},
  "status": "Failure",
  "message": "Unauthorized",
  "reason": "Unauthorized",
  "code": 401
}`;
const yaml = `apiVersion: v1
code: 401
kind: Status
message: Unauthorized
metadata: {}
reason: Unauthorized
status: Failure
`;

const noOpinion: Authorizer = { name: 'Nothing', authorize: () => ({ decision: 'no-opinion', reason: '' }) };
const file = `${tokens}marked-token,"${marked.replace('"', '""')}",uid-4\nlong-token,"${'long '.repeat(20)}name",uid-5\n`;
const filter = metricsFilter(
  filterOptions({
    anonymous: false,
    serverKind: 'cache-server',
    authenticators: [tokenFileAuthenticator({ text: file, file: 'tokens.csv' })],
    authorizers: [noOpinion],
  }),
);
const server = createServer((incoming, response) => {
  filter(incoming, response, () => {
    sendInternalError(incoming, response, new RangeError('secret'));
  });
});

beforeAll(() => listen(server));

interface Answer {
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

async function ask(path: string, headers: OutgoingHttpHeaders = {}, method = 'GET'): Promise<Answer> {
  const { port } = server.address() as AddressInfo;
  const sent = request({ host: '127.0.0.1', port, path, method, headers }).end();
  const [answer] = (await once(sent, 'response')) as [
    NodeJS.ReadableStream & { headers: IncomingHttpHeaders },
  ];
  return { body: await text(answer), headers: answer.headers };
}

describe('a Status', () => {
  it.each<[path: string, headers: OutgoingHttpHeaders, body: string]>([
    ['/metrics', {}, unauthorized],
    ['/metrics', { Accept: '*/*' }, unauthorized],
    ['/metrics', { Accept: 'application/*' }, unauthorized],
    ['/metrics', { Accept: 'application/json;charset=utf-8' }, unauthorized],
    ['/metrics', { Accept: 'application/json;stream=watch' }, unauthorized],
    ['/metrics', { Accept: 'application/openmetrics-text;version=1.0.0,*/*;q=0.1' }, unauthorized],
    ['/metrics', { Accept: 'application/vnd.kubernetes.protobuf,application/json' }, unauthorized],
    ['/metrics', { Accept: 'application/json;as=Table;v=v1;g=meta.k8s.io, application/json' }, unauthorized],
    ['/metrics', { Accept: 'application/json;q=0' }, unauthorized],
    // People, and those who ask for it: no line feed.
    ['/metrics', { 'User-Agent': 'curl/8.5.0' }, indented],
    ['/metrics', { 'User-Agent': 'Wget/1.21' }, indented],
    ['/metrics', { 'User-Agent': 'Mozilla/5.0 (X11)' }, indented],
    ['/metrics', { 'User-Agent': 'Prometheus/3.5.0 curl' }, unauthorized],
    ['/metrics?pretty=1', {}, indented],
    ['/metrics?a=b&pretty=true', {}, indented],
    ['/metrics?pretty=T', {}, indented],
    ['/metrics', { Accept: 'application/json;pretty=1' }, indented],
    ['/metrics?pretty=0', { Accept: 'application/json;pretty=1' }, indented],
    ['/metrics?pretty=0', { 'User-Agent': 'curl/8.5.0' }, unauthorized],
    ['/metrics?pretty=yes', { 'User-Agent': 'curl/8.5.0' }, unauthorized],
    ['/metrics?pretty=', { 'User-Agent': 'curl/8.5.0' }, indented],
    ['/metrics?pretty=0&pretty=1', { 'User-Agent': 'curl/8.5.0' }, unauthorized],
    ['/metrics?prettyx=1', {}, unauthorized],
    // Nothing of it is served.
    ['/metrics', { Accept: 'text/html' }, indented],
    ['/metrics?pretty=0', { Accept: 'text/plain' }, indented],
    ['/metrics', { Accept: 'application/vnd.kubernetes.protobuf' }, indented],
    ['/metrics', { Accept: 'application/cbor' }, indented],
    ['/metrics', { Accept: 'Application/JSON' }, indented],
    ['/metrics', { Accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }, indented],
    ['/metrics', { Accept: 'application/json;stream=other' }, indented],
    ['/metrics', { Accept: 'application/yaml;stream=watch' }, indented],
    ['/metrics', { Accept: ',;/' }, indented],
    ['/metrics', { Accept: `application/json${','.repeat(2048)}` }, indented],
    // YAML, which is never indented otherwise.
    ['/metrics', { Accept: 'application/yaml' }, yaml],
    ['/metrics?pretty=1', { Accept: 'application/yaml', 'User-Agent': 'curl/8.5.0' }, yaml],
    ['/metrics', { Accept: 'application/json;q=0.5,application/yaml' }, yaml],
    ['/metrics', { Accept: 'application/yaml;q=0.01, */*;q=0.1' }, unauthorized],
    ['/metrics', { Accept: '*/*;q=0.1, application/yaml;q=0.01' }, yaml],
    ['/metrics', { Accept: ['application/yaml', 'application/json'] }, yaml],
  ])('at %s for %j is spelled as Kubernetes does it', async (path, headers, body) => {
    const answer = await ask(path, headers);
    expect(answer.body).toBe(body);
    expect(answer.headers).toMatchObject({
      'content-type': body === yaml ? 'application/yaml' : 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    });
  });

  it('has the length of its body for HEAD, and no body', async () => {
    for (const headers of [{}, { 'User-Agent': 'curl/8' }, { Accept: 'application/yaml' }]) {
      const get = await ask('/metrics', headers);
      const head = await ask('/metrics', headers, 'HEAD');
      expect([head.body, head.headers['content-length']]).toEqual(['', get.headers['content-length']]);
    }
  });

  it.each([
    [
      { Authorization: 'Bearer marked-token' },
      String.raw`"forbidden: User \"b\u0026lt;i\u0026gt;\u0026amp;\\\"'o\" cannot get path \"/metrics\""`,
    ],
    [
      { Authorization: 'Bearer marked-token', 'Impersonate-User': 'x' },
      String.raw`"forbidden: User \"b\u0026lt;i\u0026gt;\u0026amp;\\\"'o\" cannot impersonate here: impersonation is not served"`,
    ],
  ])('says names of a 403 with entities: %j', async (headers, message) => {
    expect((await ask('/metrics', headers)).body).toContain(`"message":${message},`);
  });

  it('says so in YAML as well, and folds what is long', async () => {
    const accept = { Accept: 'application/yaml' };
    const { body } = await ask('/metrics', { ...accept, Authorization: 'Bearer marked-token' });
    expect(body).toContain(
      String.raw`message: 'forbidden: User "b&lt;i&gt;&amp;\"''o" cannot get path "/metrics"'`,
    );
    const long = await ask('/metrics', { ...accept, Authorization: 'Bearer long-token' });
    expect(long.body).toBe(`apiVersion: v1
code: 403
details: {}
kind: Status
message: 'forbidden: User "long long long long long long long long long long long
  long long long long long long long long long name" cannot get path "/metrics"'
metadata: {}
reason: Forbidden
status: Failure
`);
  });

  it('has entities where it is an internal error in plain text', async () => {
    const { body, headers } = await ask('/livez?<b>&c');
    expect(body).toBe('Internal Server Error: "/livez?&lt;b&gt;&amp;c": RangeError\n');
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
  });
});

describe('extra space before a bearer token', () => {
  const warning =
    '299 - "the provided Authorization header contains extra space before the bearer token, and is ignored"';
  it.each([
    ['Bearer  scraper-token', warning],
    ['bearer   scraper-token', warning],
    ['BEARER  a b', warning],
    ['Bearer scraper-token', undefined],
    ['Bearer unknown', undefined],
    ['Bearer ', undefined],
    ['Bearer', undefined],
    ['Basic  YTpi', undefined],
    ['', undefined],
  ])('is warned of: %j', async (authorization, expected) => {
    expect((await ask('/metrics', { Authorization: authorization })).headers['warning']).toBe(expected);
  });
});

describe('an Accept header', () => {
  const offers = ['application/json', 'application/yaml'] as const;
  const piece = fc.constantFrom(
    ...['application/', 'json', 'yaml', '*/*', '*', ';', ',', 'q=', '0.5', 'pretty=1', '=', ' ', '/', 'as=x'],
  );
  const accept = fc.oneof(
    fc.string(),
    fc.array(piece).map((pieces) => pieces.join('')),
  );

  it('gets what is offered or nothing, whatever it is', () => {
    fc.assert(
      fc.property(accept, (header) => {
        const accepted = negotiate(header, offers, () => true);
        expect([...offers, undefined]).toContain(accepted?.mediaType);
      }),
    );
  });

  it('of the longest kind costs no time that grows with its square', () => {
    const header = 'a/b;q=0.1,'.repeat(204);
    const started = performance.now();
    for (let round = 0; round < 100; round += 1) negotiate(header, offers, () => true);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it.each([
    ['blanks inside', `a${' '.repeat(2000)}b/c`],
    ['a weight of digits that is none', `a/b;q=${'1'.repeat(2000)}x`],
  ])('nor one of the longest kind with %s', (_, header) => {
    const round = (): number => {
      // Of this process: others use the processor, too.
      const before = process.cpuUsage();
      for (let times = 0; times < 500; times += 1) negotiate(header, offers, () => true);
      return process.cpuUsage(before).user / 1000;
    };
    // Some 600 ms where each blank or digit is followed to the end.
    expect(Math.min(round(), round(), round())).toBeLessThan(150);
  });
});

describe('YAML', () => {
  it.each<[value: string, scalar: string]>([
    ['plain text', 'plain text'],
    ['', '""'],
    ['true', '"true"'],
    ['No', '"No"'],
    ['6443', '"6443"'],
    ['1.36', '"1.36"'],
    ['1.36.3', '1.36.3'],
    ['0x1f', '"0x1f"'],
    ['12:30', '"12:30"'],
    ['2026-11-29T11:34:26Z', '"2026-11-29T11:34:26Z"'],
    ['127.0.0.1', '127.0.0.1'],
    ['2m0s', '2m0s'],
    ['[RBAC]', "'[RBAC]'"],
    ['a: b', "'a: b'"],
    ["it's: so", "'it''s: so'"],
    ['a #b', "'a #b'"],
    [' a', "' a'"],
    ['a\nb', String.raw`"a\nb"`],
    ['/\u{1f600}', String.raw`"/\U0001F600"`],
    ['\u0085\u2028\ud800', String.raw`"\u0085\u2028` + '\ufffd"'],
  ])('has %j as %s', (value, scalar) => {
    expect(yamlOf({ a: value })).toBe(`a: ${scalar}\n`);
  });

  it('is in order, nested and empty', () => {
    expect(yamlOf({ b: { d: 1, c: null }, a: [], e: ['x', '1'], f: {} })).toBe(
      'a: []\nb:\n  c: null\n  d: 1\ne:\n- x\n- "1"\nf: {}\n',
    );
  });

  it('is read as what it was, whatever it was', () => {
    const part = fc.constantFrom('a', ':', ' ', '#', "'", '"', '-', '\n', 'long-word', '1', '\\');
    const word = fc.oneof(
      fc.string({ unit: anyCharacter }).map((value) => value.toWellFormed()),
      fc.array(part, { maxLength: 40 }).map((parts) => parts.join('')),
    );
    const map = <Value>(value: fc.Arbitrary<Value>) =>
      fc.dictionary(word, value, { noNullPrototype: true, maxKeys: 2 });
    const tree: fc.Arbitrary<PlainObject> = map(
      fc.oneof(word, fc.integer(), fc.constant(null), fc.array(word, { maxLength: 2 }), map(word)),
    );
    fc.assert(
      fc.property(tree, (object) => {
        expect(parse(yamlOf(object)) ?? {}).toEqual(object);
      }),
    );
  });
});
