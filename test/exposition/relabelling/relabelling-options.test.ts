import { describe, expect, it } from 'vitest';
import { LabelMapping } from '../../../src/exposition/relabelling/label-mapping.js';
import {
  filteredExposition,
  type FilteredExpositionOptions,
} from '../../../src/exposition/relabelling/filtered-exposition.js';
import { contentTypes, filtered, fixedExposition } from './filtering.js';
import { RelabellingOptionError } from '../../../src/exposition/exposition-errors.js';

describe('options that cannot be used are refused by name, before anything is served', () => {
  const behind = fixedExposition({ contentType: contentTypes.text, body: '' });
  it.each<[FilteredExpositionOptions, string]>([
    [{ keepMetrics: [''] }, 'keepMetrics: "" must have 1 to 1024 characters'],
    [{ keepMetrics: ['a'.repeat(1025)] }, 'must have 1 to 1024 characters'],
    [{ dropMetrics: ['a b'] }, 'dropMetrics: "a b" has a character that no glob of metric names has'],
    [{ dropMetrics: ['a{1..99999999}'] }, 'has a character that no glob of metric names has'],
    [{ dropMetrics: ['!(a)'] }, 'has a character that no glob of metric names has'],
    [{ dropMetrics: ['a/b'] }, 'has a character that no glob of metric names has'],
    [{ dropMetrics: ['*a*b*c*'] }, 'dropMetrics: "*a*b*c*" has more than 3 stars'],
    [{ dropLabels: ['a-b'] }, 'dropLabels: "a-b" is no label name'],
    [{ dropLabels: ['le'] }, 'dropLabels: "le" belongs to histograms and summaries'],
    [{ dropLabels: ['a'], renameLabels: { a: 'b' } }, 'dropLabels: "a" is renamed, too'],
    [{ renameLabels: { quantile: 'q' } }, 'renameLabels: "quantile" belongs'],
    [{ renameLabels: { q: 'quantile' } }, 'renameLabels: "quantile" belongs'],
    [{ renameLabels: { a: '__address__' } }, 'renameLabels: "__address__" is reserved to Prometheus'],
    [{ renameLabels: { a: '' } }, 'renameLabels: "" is no label name'],
    [{ renameLabels: { a: 'a' } }, 'renameLabels: "a" becomes itself'],
    [{ renameLabels: { a: 'c', b: 'c' } }, 'renameLabels: two labels become "c"'],
    [{ maxSeries: -1 }, 'maxSeries: must be a whole number, 0 for no bound'],
    [{ maxSeries: 1.5 }, 'maxSeries: must be a whole number'],
    [{ maxLineBytes: 0 }, 'maxLineBytes: must be a whole number of at least 1'],
  ])('%j', (options, message) => {
    const make = (): unknown => filteredExposition(behind, options);
    expect(make).toThrow(RelabellingOptionError);
    expect(make).toThrow(message);
  });

  it.each([
    [{}, 'labelMapping: names no label'],
    [{ 'a-b': {} }, 'labelMapping: "a-b" is no label name'],
    [{ le: {} }, 'labelMapping: "le" belongs to histograms and summaries'],
    [{ a: { '': 'b' } }, 'labelMapping: the empty value cannot be mapped'],
    [{ a: { b: '' } }, 'labelMapping: "b" is mapped to nothing'],
  ])('a mapping: %j', (labels, message) => {
    expect(() => LabelMapping.of(labels)).toThrow(message);
  });

  it.each([
    ['a?c', 'abc 1\nac 1\n', 'abc 1\n'],
    ['a[b-d]', 'ab 1\nae 1\n', 'ab 1\n'],
    ['a[^b]', 'ab 1\nac 1\n', 'ac 1\n'],
    ['{a,b:*}', 'a 1\nb:c 1\nb 1\n', 'a 1\nb:c 1\n'],
    ['**', 'a 1\n', 'a 1\n'],
  ])('a glob may be %s', async (glob, body, left) => {
    expect((await filtered(body, { keepMetrics: [glob] })).text).toBe(left);
  });
});
