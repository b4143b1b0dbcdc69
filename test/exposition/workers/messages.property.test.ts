import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answerIn,
  demandIn,
  familiesIn,
  sealed,
  type UnreadPart,
} from '../../../src/exposition/workers/messages.js';
import type { ReportedFamily } from '../../../src/exposition/workers/report.js';
import { inLabelOrder, labelOrder, samplesIn } from '../../../src/exposition/workers/samples.js';
import { anyCharacter } from '../../support/any-character.js';

const families: fc.Arbitrary<ReportedFamily> = fc
  .record({
    name: fc.stringMatching(/^[a-z_:][a-z0-9_:]{0,20}$/),
    help: fc.string({ unit: anyCharacter }),
    type: fc.constantFrom('counter', 'gauge', 'histogram', 'summary', 'untyped'),
    aggregator: fc.constantFrom('sum', 'first', 'min', 'max', 'average'),
    pairs: fc.array(fc.tuple(fc.stringMatching(/^[a-z]\{[^\n]{0,20}\}$/), fc.double())),
  })
  .map(({ pairs, ...family }) => ({
    ...family,
    samples: pairs.map(([sample]) => sample),
    values: pairs.map(([, value]) => value + 0),
  }));

/** What may come over a channel that others use, too: shapes near to ours, and anything else. */
const hostile = fc.oneof(
  fc.anything(),
  fc.record(
    {
      protocol: fc.constantFrom<unknown>('kcp-metrics-filter/metrics/1', 'other', 1),
      group: fc.constantFrom<unknown>('metrics', 'other', undefined),
      kind: fc.constantFrom<unknown>('part', 'here', 'failed', 'ask', 'taken', 'discover', 'constructor', 7),
      request: fc.oneof(fc.double(), fc.anything()),
      timeoutMs: fc.oneof(fc.double(), fc.anything()),
      reporter: fc.anything(),
      isLast: fc.oneof(fc.boolean(), fc.anything()),
      families: fc.oneof(fc.array(fc.oneof(families, fc.anything())), fc.anything()),
    },
    { requiredKeys: [] },
  ),
);

describe('messages between workers', () => {
  it('arrive as they were sent, as JSON and as structured clones', () => {
    fc.assert(
      fc.property(fc.array(families, { maxLength: 4 }), (sent) => {
        const message = sealed('metrics', { kind: 'part', request: 3, isLast: true, families: sent });
        for (const received of [JSON.parse(JSON.stringify(message)) as unknown, structuredClone(message)]) {
          const answer = answerIn(received, 'metrics') as UnreadPart;
          expect({ ...answer, families: familiesIn(answer) }).toEqual({
            kind: 'part',
            request: 3,
            isLast: true,
            // JSON has no -0.
            families: sent.map((family) => ({ ...family, values: family.values.map((value) => value + 0) })),
          });
          expect(answerIn(received, 'other')).toBeUndefined();
        }
      }),
    );
  });

  it('are taken only in the shape they have: whatever comes, nothing throws and no line breaks in', () => {
    fc.assert(
      fc.property(hostile, (message) => {
        const demand = demandIn(message, 'metrics');
        if (demand !== undefined) expect(['discover', 'ask', 'taken']).toContain(demand.kind);
        const answer = answerIn(message, 'metrics');
        if (answer?.kind !== 'part') return;
        for (const { name, samples, values, type } of familiesIn(answer) ?? []) {
          expect(`${name}${type}${samples.join('')}`).not.toContain('\n');
          expect(values.length).toBe(samples.length);
          expect(values.every((value) => typeof value === 'number')).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('samples', () => {
  it('are told apart by their labels in any order, whatever stands in the values', () => {
    const value = fc
      .string({ unit: fc.constantFrom('a', '"', '\\', ',', '=', '{', '}', ' ', 'é') })
      .map((text) => text.replace(/[\\"]/g, '\\$&'));
    const labels = fc.uniqueArray(fc.tuple(fc.stringMatching(/^[a-c]{1,2}$/), value), {
      selector: ([name]) => name,
      maxLength: 4,
    });
    const written = (pairs: readonly (readonly [string, string])[]): string =>
      pairs.length === 0 ? 'm' : `m{${pairs.map(([name, text]) => `${name}="${text}"`).join(',')}}`;
    fc.assert(
      fc.property(labels, labels, (some, others) => {
        const [one, other] = [written(some), written(others)];
        const isSame = JSON.stringify([...some].sort()) === JSON.stringify([...others].sort());
        expect(inLabelOrder(one) === inLabelOrder(other)).toBe(isSame);
        expect(inLabelOrder(written([...some].reverse()))).toBe(inLabelOrder(one));
        expect(labelOrder(one)).toBe(
          some.length === 0 ? 'm' : `m{${some.map(([name]) => `${name},`).join('')}`,
        );
      }),
    );
  });

  it('are read from any text without a fault', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '{', '}', '="', '"', '\\', ',', ' ', '\n') }),
        (text) => {
          for (const { sample } of samplesIn(text)) expect(sample).not.toBe('');
          expect([typeof labelOrder(text), typeof inLabelOrder(text)]).toEqual(['string', 'string']);
        },
      ),
    );
  });
});
