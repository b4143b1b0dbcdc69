import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { negotiateFormat } from '../../src/exposition/delivery/negotiation.js';

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
    const word = fc.constantFrom(
      'text/plain',
      '*/*',
      'application/openmetrics-text',
      ';',
      ',',
      '=',
      'q',
      '"',
      ' ',
    );
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
