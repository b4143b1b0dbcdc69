import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { valueOf, type GivenOptions } from '../../src/options/option.js';
import { upstreams, type Upstreams } from '../../src/options/upstream-options.js';
import { UsageError } from '../../src/options/usage-error.js';

const { upstream, upstreamPath } = upstreams.options;
const upstreamsOf = (values: GivenOptions): Upstreams => valueOf(upstream, values);

/** As the command line has them: separated at every comma, however often the flag stands there. */
function given(...values: readonly string[]): GivenOptions {
  return values.length === 0 ? {} : { upstream: values.flatMap((value) => value.split(',')) };
}

describe('upstreams of the command line', () => {
  it('may be none', () => {
    expect(upstreamsOf(given())).toEqual({ kind: 'none', urls: new Map() });
  });

  it.each([
    'http://127.0.0.1:8080',
    'http://h/metrics?name=a,b&c=d',
    'http://h/metrics?name=a,b=c',
    'https://h/a=b',
    'http://h/a,b?c',
  ])('%s is one, passed on', (url) => {
    expect(upstreamsOf(given(url))).toEqual({ kind: 'passed-on', urls: new Map([['/metrics', url]]) });
  });

  it.each<[values: readonly string[], urls: Readonly<Record<string, string>>]>([
    [['a=http://h'], { a: 'http://h' }],
    [['a=http://h,b=https://h'], { a: 'http://h', b: 'https://h' }],
    [['a=http://h', 'b.c-D_1=http://i,d=HTTP://j'], { a: 'http://h', 'b.c-D_1': 'http://i', d: 'HTTP://j' }],
    [
      ['a=http://h/m?x=1,2&y=a=b,b=http://i/?collect[]=a,b'],
      { a: 'http://h/m?x=1,2&y=a=b', b: 'http://i/?collect[]=a,b' },
    ],
    [['a=http://h/?u=%2Cb=http://i'], { a: 'http://h/?u=%2Cb=http://i' }],
  ])('%j are merged', (values, urls) => {
    const read = upstreamsOf(given(...values));
    expect(read.kind === 'merged' && Object.fromEntries(read.urls)).toEqual(urls);
  });

  it('are read as they were written, with any query but one that looks like another upstream', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_.-]{1,10}$/);
    const url = fc
      .tuple(fc.constantFrom('http', 'https'), fc.stringMatching(/^[a-z0-9=&,?.[\]%-]{0,20}$/))
      .map(([scheme, query]) => `${scheme}://host:1/metrics?${query}`);
    const all = fc.uniqueArray(fc.tuple(name, url), { minLength: 1, selector: ([key]) => key, maxLength: 5 });
    fc.assert(
      fc.property(all, fc.boolean(), (pairs, isOneList) => {
        const texts = pairs.map(([key, value]) => `${key}=${value}`);
        const read = upstreamsOf(isOneList ? given(texts.join(',')) : given(...texts));
        expect(read.kind === 'merged' && [...read.urls]).toEqual(pairs);
      }),
    );
  });

  it('are read or refused with one line, whatever they are', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('a=', 'http://', 'h', ',', '/metrics/a', '=', '?', ':', '@') }),
    );
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 3 }), (values) => {
        for (const option of [upstream, upstreamPath]) {
          try {
            valueOf<unknown>(option, { [option.key]: given(...values)['upstream'] });
          } catch (error) {
            expect(error).toBeInstanceOf(UsageError);
            expect(String(error)).toMatch(/^UsageError: --upstream(?:-path)?: .+$/);
          }
        }
      }),
    );
  });
});
