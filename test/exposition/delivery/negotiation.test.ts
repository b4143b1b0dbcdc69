import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  negotiateCoding,
  negotiateFormat,
  type ContentCoding,
} from '../../../src/exposition/delivery/negotiation.js';
import { words } from '../../support/words.js';

const text = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores';
const openMetrics = 'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores';

describe('the format of a scrape', () => {
  it.each([
    ['no Accept header', '', text],
    ['anything', '*/*', text],
    ['a browser', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', text],
    [
      'Prometheus 2',
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      openMetrics,
    ],
    [
      'Prometheus 3',
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      openMetrics.replace('underscores', 'allow-utf-8'),
    ],
    [
      'Prometheus 3 that takes the text formats alone',
      'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      text.replace('underscores', 'allow-utf-8'),
    ],
    [
      'Prometheus that would rather have protobuf',
      'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.5,text/plain;version=0.0.4;q=0.3',
      text,
    ],
    [
      'protobuf or else OpenMetrics',
      'application/vnd.google.protobuf,application/openmetrics-text;q=0.4',
      openMetrics,
    ],
    ['OpenMetrics of any version', 'application/openmetrics-text', openMetrics],
    ['OpenMetrics of the draft', 'application/openmetrics-text;version=0.0.1', text],
    ['OpenMetrics of a version to come', 'application/openmetrics-text;version=2.0.0', text],
    ['the heavier of two', 'application/openmetrics-text;q=0.4,text/plain;q=0.5', text],
    ['the first of two that weigh the same', 'application/openmetrics-text,text/plain', openMetrics],
    ['a name before a wildcard', '*/*,application/openmetrics-text', openMetrics],
    ['a heavier wildcard', '*/*,application/openmetrics-text;q=0.9', text],
    ['anything but OpenMetrics', 'application/openmetrics-text;q=0', text],
    ['a weight that is none', 'application/openmetrics-text;q=high', text],
    ['capitals, spaces and quotes', ' Application/OpenMetrics-Text ; Version="1.0.0" ; Q=1.0 ', openMetrics],
    ['an escaping that changes names', 'text/plain;version=0.0.4;escaping=dots', text],
    ['more than any scraper sends', `application/openmetrics-text${' '.repeat(2048)}`, text],
  ])('asked for %s', (_what, accept, contentType) => {
    expect(negotiateFormat(accept, true).contentType).toBe(contentType);
    expect(negotiateFormat(accept, true).format).toBe(
      contentType.startsWith('text') ? 'text' : 'openmetrics',
    );
  });

  it('is text for everybody where OpenMetrics is not offered', () => {
    expect(negotiateFormat('application/openmetrics-text;version=1.0.0', false).format).toBe('text');
  });

  it('is found for any header, and says nothing of it but the escaping', () => {
    const word = fc.constantFrom(...words('text/plain */* application/openmetrics-text ; , = q "'), ' ');
    const header = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(word, fc.string({ maxLength: 3 }))).map((a) => a.join('')),
    );
    fc.assert(
      fc.property(header, fc.boolean(), (accept, offers) => {
        expect([text, openMetrics]).toContain(
          negotiateFormat(accept, offers).contentType.replace('allow-utf-8', 'underscores'),
        );
      }),
    );
  });
});

const both: readonly ContentCoding[] = ['gzip', 'zstd'];

describe('the coding of a scrape', () => {
  it.each([
    ['no header', '', 'identity'],
    ['Prometheus', 'gzip', 'gzip'],
    ['curl --compressed', 'deflate, gzip, br, zstd', 'gzip'],
    ['promhttp prefers gzip', 'gzip,zstd', 'gzip'],
    ['in any order', 'zstd,gzip', 'gzip'],
    ['the heavier one', 'gzip;q=0.5, zstd;q=0.8', 'zstd'],
    ['the only one', 'zstd', 'zstd'],
    ['light, but the only one', 'gzip;q=0.001', 'gzip'],
    ['capitals and blanks', ' GZip\t; Q=1.000 ', 'gzip'],
    ['empty members', ',,gzip,', 'gzip'],
    ['identity, as heavy', 'gzip, identity', 'identity'],
    ['identity, lighter', 'gzip, identity;q=0.9', 'gzip'],
    ['identity, heavier', 'gzip;q=0.5, identity', 'identity'],
    ['anything', '*', 'identity'],
    ['anything but identity', 'identity;q=0, *', 'gzip'],
    ['anything but identity and gzip', 'gzip;q=0, identity;q=0, *;q=0.1', 'zstd'],
    ['gzip, and all else less', 'gzip, *;q=0.5', 'gzip'],
    ['all else more', 'gzip;q=0.5, *', 'identity'],
    ['nothing else', 'gzip, *;q=0', 'gzip'],
    ['not gzip', 'gzip;q=0', 'identity'],
    ['not gzip by its smallest zero', 'gzip;q=0.000', 'identity'],
    ['nothing at all', '*;q=0', 'identity'],
    ['not even identity', 'identity;q=0', 'identity'],
    ['what is not known', 'br, deflate, compress', 'identity'],
    ['the heavier of two', 'gzip;q=0, gzip', 'gzip'],
    ['a weight above 1', 'gzip;q=1.5', 'identity'],
    ['a weight below 0', 'gzip;q=-1', 'identity'],
    ['a weight that is no number', 'gzip;q=high', 'identity'],
    ['a weight too fine', 'gzip;q=0.1234', 'identity'],
    ['another parameter', 'gzip;level=9', 'identity'],
    ['two words', 'gzip zstd', 'identity'],
    ['another coding that begins alike', 'gzip2, x-gzip', 'identity'],
    ['of 2048 characters', 'gzip'.padEnd(2048), 'gzip'],
    ['of 2048 characters, well-formed', `${'x,'.repeat(1022)}gzip`, 'gzip'],
    ['longer', `${'x,'.repeat(1023)}gzip`, 'identity'],
  ])('%s: %j', (_what, header, coding) => {
    expect(negotiateCoding(header, both)).toBe(coding);
  });

  it.each(['zstd', 'identity;q=0, zstd', 'zstd, gzip;q=0'])(
    'is never one that is not offered: %j',
    (header) => {
      expect(negotiateCoding(header, ['gzip'])).toBe('identity');
    },
  );

  it('is the heaviest of what is acceptable, for every header', () => {
    const weight = fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined });
    const member = fc.record({ name: fc.constantFrom('gzip', 'zstd', 'identity', '*', 'br'), weight });
    const members = fc.uniqueArray(member, { selector: ({ name }) => name });
    fc.assert(
      fc.property(members, fc.constantFrom(',', ' ,\t', ', ,'), (all, separator) => {
        const header = all
          .map(({ name, weight: of }) => (of === undefined ? name : `${name};q=${(of / 1000).toFixed(3)}`))
          .join(separator);
        const weightOf = (name: string): number => {
          const found = all.find((one) => one.name === name) ?? all.find((one) => one.name === '*');
          return found === undefined ? 0 : (found.weight ?? 1000);
        };
        const ranked = (['identity', 'gzip', 'zstd'] as const)
          .map((name) => ({ name, weight: weightOf(name) }))
          .filter((one) => one.weight > 0)
          .sort((a, b) => b.weight - a.weight);
        expect(negotiateCoding(header, both)).toBe(ranked[0]?.name ?? 'identity');
      }),
    );
  });

  it('is found in whatever is sent, in a time in proportion to it', () => {
    const piece = fc.constantFrom('gzip', ';', 'q=', '0.5', ',', ' ', '\t', '*', '=', '"', 'q', '1');
    const header = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 2000 }).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(header, (text) => {
        expect(['identity', ...both]).toContain(negotiateCoding(text, both));
      }),
    );
    const started = performance.now();
    for (const one of [';', 'q=', ' ', ',', '"', '*;q=0', ' \t;', 'gzip;', 'gzip,']) {
      expect(['identity', ...both]).toContain(negotiateCoding(`${one.repeat(20_000)}!`, both));
    }
    // If each character costs a look at all before it, it is some seconds.
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
