import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { ExpositionFormat } from '../../../src/exposition/text-format/exposition-format.js';
import { bytesOf, expositionText, families, inPieces, partsOf, pieceLengths } from './expositions.js';
import { TextFormatError } from '../../../src/exposition/exposition-errors.js';
import { readTextFormat } from '../../../src/exposition/text-format/text-format-reader.js';
import { words } from '../../support/words.js';

const secret = 'cadabra';

describe('a malformed exposition is refused with its line, and no value of it', () => {
  const before = 'first 1\n# TYPE a gauge\n';
  it.each<[what: string, line: string | Buffer, fault: string]>([
    ['no name', '{a="b"} 1', 'no metric name'],
    ['an empty name', '{""} 1', 'a metric has no name'],
    ['a name twice', 'a{"b"} 1', 'named twice'],
    ['a quoted name twice', '{"a","b"} 1', 'named twice'],
    ['a digit', '9a 1', 'no metric name begins so'],
    ['a carriage return', '\r', 'no metric name begins so'],
    ['a name with a dash', `a-${secret} 1`, 'the value is not a number'],
    ['a name with a point', `a.${secret} 1`, 'the value is not a number'],
    ['a very long name', `${'a'.repeat(1025)} 1`, 'more than 1024 characters'],
    ['no value', 'a', 'no value'],
    ['no value behind labels', `a{b="${secret}"}`, 'no value'],
    ['a value that is no number', `a ${secret}`, 'the value is not a number'],
    ['a value with a carriage return', 'a 1\r', 'the value is not a number'],
    ['half a number', 'a 1e', 'the value is not a number'],
    ['a lone sign', 'a -', 'the value is not a number'],
    ['a lone point', 'a .', 'the value is not a number'],
    ['a signed NaN', 'a -nan', 'the value is not a number'],
    ['half a hexadecimal number', 'a 0x', 'the value is not a number'],
    ['a hexadecimal number', 'a 0x1p-2', 'the value is not a number'],
    ['digits in groups', 'a 1_000', 'the value is not a number'],
    ['a number beyond float64', 'a -1e309', 'beyond float64'],
    ['one of many digits', `a ${'9'.repeat(309)}`, 'beyond float64'],
    ['a timestamp that is no number', `a 1 ${secret}`, 'the timestamp is not a whole number'],
    ['a negative timestamp', 'a 1 -5', 'the timestamp is not a whole number'],
    ['a timestamp beyond int64', 'a 1 9223372036854775808', 'beyond an int64'],
    ['a timestamp far beyond it', `a 1 ${'9'.repeat(1000)}`, 'beyond an int64'],
    ['a timestamp with a fraction', 'a 1 1.5', 'more text behind the sample'],
    ['more text', 'a 1 2 3', 'more text behind the sample'],
    ['an exemplar', 'a 1 # {b="c"} 1', 'the timestamp is not a whole number'],
    ['open labels', `a{b="${secret}" 1`, 'a label has no valid name'],
    ['an open value', `a{b="${secret}} 1`, 'not closed'],
    ['an open name', `{"${secret} 1`, 'not closed'],
    ['an open name in a header', `# HELP "${secret} 1`, 'not closed'],
    ['a backslash at the end of a line', `a{b="${secret}\\\n"} 1`, 'not closed'],
    ['an unquoted value', `a{b=${secret}} 1`, 'not quoted'],
    ['no value of a label', 'a{b} 1', 'no "="'],
    ['a comma alone', 'a{,} 1', 'no valid name'],
    ['two commas', 'a{b="c",,} 1', 'no valid name'],
    ['a label name with a dash', 'a{b-c="d"} 1', 'no "="'],
    ['a label name with a colon', 'a{b:c="d"} 1', 'no "="'],
    ['NUL in a name', '{"a\0"} 1', 'no valid name'],
    ['NUL in a label name', 'a{"b\0"="c"} 1', 'no valid name'],
    ['NUL in the name of a header', '# HELP "a\0" b', 'no valid metric name'],
    ['an empty label name', 'a{""="d"} 1', 'has no name'],
    ['a label twice', `a{b="${secret}",c="",b="2"} 1`, 'a label stands twice'],
    ['a label twice, once quoted', `a{b="${secret}","b"="2"} 1`, 'a label stands twice'],
    ['a label twice, escaped in two ways', `a{"b\\d"="${secret}","b\\\\d"="2"} 1`, 'a label stands twice'],
    ['the name as a label', `a{__name__="${secret}"} 1`, '"__name__"'],
    ['two braces', 'a{b="c"}{} 1', 'no value'],
    ['bytes that are no UTF-8', Buffer.from('a{b="\xff"} 1', 'latin1'), 'is not UTF-8'],
    ['a help that is no UTF-8', Buffer.from('# HELP a \xff', 'latin1'), 'is not UTF-8'],
    ['an unknown type', `# TYPE b ${secret}`, 'TYPE is none'],
    ['a type with a blank more', '# TYPE b  gauge', 'TYPE is none'],
    ['no type', '# TYPE b', 'TYPE is none'],
    ['a type of OpenMetrics', '# TYPE b unknown', 'TYPE is none'],
    ['a type without a name', '# TYPE 9 gauge', 'no valid metric name'],
    ['a help without a name', '# HELP ', 'no valid metric name'],
  ])('%s', async (_what, line, fault) => {
    const bytes = Buffer.concat([Buffer.from(before), Buffer.from(line), Buffer.from('\nlast 1\n')]);
    for (const lengths of [[bytes.length], [1], [5]]) {
      const error = await refusalOf(bytes, 'text', lengths);
      expect(error.message).toContain(fault);
      expect([error.line, error.code]).toEqual([3, 'ERR_TEXT_FORMAT']);
      expect(error.message).not.toContain(secret);
    }
  });

  it.each([
    ['a blank before a sample', ' a 1', 'no metric name begins so'],
    ['a remark', '# remark', 'no such comment'],
    ['a blank line', '', 'no metric name begins so'],
    ['two blanks', 'a  1', 'no value'],
    ['a blank behind the sample', 'a 1 ', 'more text behind'],
    ['a blank before the labels', 'a {b="c"} 1', 'the value is not a number'],
    ['no comma', 'a{b="c"d="e"} 1', 'no "," or "}"'],
    ['a line feed in a value', 'a{b="c\nd"} 1', 'not closed'],
    ['a timestamp that is none', 'a 1 NaN', 'the timestamp is not finite'],
    ['a help without a text', '# HELP a', 'no valid metric name'],
    ['a unit of another metric', '# UNIT a_seconds bytes', 'UNIT is not'],
    ['an untyped metric', '# TYPE b untyped', 'TYPE is none'],
    ['an exemplar without labels', 'a 1 # 2', 'the timestamp is not a number'],
    ['an exemplar without a value', 'a 1 # {b="c"}', 'the exemplar has no value'],
    ['an exemplar with a name', 'a 1 # {"b"} 1', 'no "="'],
    ['an exemplar with a bad timestamp', 'a 1 # {b="c"} 1 x', 'timestamp of the exemplar'],
    ['text behind the end', '# EOF\na 1', 'behind "# EOF"'],
  ])('in OpenMetrics: %s', async (_what, line, fault) => {
    const bytes = Buffer.from(`first 1\n${line}\n# EOF\n`);
    for (const lengths of [[bytes.length], [1]]) {
      expect((await refusalOf(bytes, 'openmetrics', lengths)).message).toContain(fault);
    }
  });

  it('names the metric, no longer than 64 characters of it', async () => {
    const name = 'n'.repeat(100);
    const { message } = await refusalOf(Buffer.from(`${name} x\n`), 'text', [9]);
    const fault = 'the value is not a number, or beyond float64';
    expect(message).toBe(`line 1: ${fault} ("${'n'.repeat(64)}…")`);
  });
});

describe('an exposition that is cut off is refused', () => {
  it.each([
    ['text', 'a 1\nb{c="d', 2, 'not closed'],
    ['text', 'a 1\nb{c="d"}', 2, 'no value'],
    ['openmetrics', 'a 1\nb 2', 3, 'cut off'],
    ['openmetrics', 'a 1\nb 2\n', 3, 'cut off'],
    ['openmetrics', '', 1, 'cut off'],
    ['openmetrics', 'a 1\n# EO', 2, 'no such comment'],
  ] as const)('%s: %j', async (format, text, line, fault) => {
    const error = await refusalOf(Buffer.from(text), format, [3]);
    expect([error.line, error.message]).toEqual([line, expect.stringContaining(fault)]);
  });

  it('wherever it is cut, in OpenMetrics', async () => {
    await fc.assert(
      fc.asyncProperty(families('openmetrics'), fc.nat(), pieceLengths, async (all, cut, lengths) => {
        const bytes = Buffer.from(expositionText(all, 'openmetrics'));
        // The last line feed is not missed.
        const part = bytes.subarray(0, cut % (bytes.length - 1));
        expect(await refusalOf(part, 'openmetrics', lengths)).toBeInstanceOf(TextFormatError);
      }),
    );
  });
});

describe('bounds', () => {
  it.each([
    ['a sample', `a{b="${'x'.repeat(200)}"} 1\n`],
    ['a line without an end', 'x'.repeat(200)],
    ['a remark', `#${'x'.repeat(200)}\n`],
    ['a help text', `# HELP a ${'x'.repeat(200)}\n`],
    ['a text of many lines', `a{b="${'x\n'.repeat(100)}"} 1\n`],
  ])('hold for %s', async (_what, text) => {
    for (const lengths of [[1], [64], [1000]]) {
      const body = inPieces(Buffer.from(text), lengths);
      await expect(partsOf(body, 'text', 100)).rejects.toThrow(/than 100 bytes/);
    }
  });

  it('hold at 128 KiB a line, long before an endless one is in memory', async () => {
    const piece = Buffer.alloc(64 * 1024, 'x');
    let pieces = 0;
    function* endless(): Generator<Uint8Array> {
      for (;;) {
        pieces += 1;
        yield piece;
      }
    }
    await expect(partsOf(endless())).rejects.toThrow('line 1: longer than 131072 bytes');
    expect(pieces).toBe(3);
  });

  it('hold at 1000 labels a line', async () => {
    const line = (labels: number): Buffer =>
      Buffer.from(`a{${Array.from({ length: labels }, (_, index) => `l${index}=""`).join(',')}} 1\n`);
    expect(bytesOf(await partsOf([line(1000)])).equals(line(1000))).toBe(true);
    expect((await refusalOf(line(1001), 'text', [4096])).message).toBe('line 1: more than 1000 labels ("a")');
  });

  // Thousands of lines may stand in a few kilobytes, and nothing else has its turn until they are read.
  it('hold for what is read in one go', async () => {
    const body = Buffer.from('a 1\n'.repeat(50_000));
    for await (const parts of readTextFormat([body], { format: 'text' })) {
      expect(bytesOf(parts).length).toBeLessThanOrEqual(8 * 1024);
    }
  });

  it('hold for how often a text is read that goes on line after line', async () => {
    const line = `a{b="${'\\n'.repeat(100)}${'\n'.repeat(20_000)}"} 1\n`;
    // What is kept is joined with what comes each time that it is read.
    const joined = vi.spyOn(Buffer, 'concat');
    try {
      const parts = await partsOf(inPieces(Buffer.from(line), [1]));
      expect(joined.mock.calls.length).toBeLessThan(100);
      expect(bytesOf(parts).toString()).toBe(line.replaceAll('\n', '\\n').replace(/\\n$/, '\n'));
    } finally {
      joined.mockRestore();
    }
  });

  it('let a line through that is just as long', async () => {
    const line = `a{b="${'x'.repeat(90)}"} 1\n`;
    const bytes = Buffer.from(line);
    expect(bytesOf(await partsOf(inPieces(bytes, [3]), 'text', bytes.length)).toString()).toBe(line);
  });
});

describe('any bytes', () => {
  const fragments = fc.constantFrom(
    ...words('a a_total { } b="c" , " 0x NaN ü'),
    ...Array.from('\\\n\n \0\r'),
    '# TYPE a counter',
    '# HELP a b',
    '# EOF',
    ' 1',
    ' # ',
  );
  it.each(['text', 'openmetrics'] as const)('are read or refused, and nothing else: %s', async (format) => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fragments, { maxLength: 40 }).map((parts) => Buffer.from(parts.join(''))),
    );
    await fc.assert(
      fc.asyncProperty(anything, pieceLengths, async (bytes, lengths) => {
        const whole = await outcomeOf(bytes, format, [1000]);
        const cut = await outcomeOf(bytes, format, lengths);
        // Where pieces end decides which of two faults is seen first, never whether one is.
        expect(cut.kind).toBe(whole.kind);
        if (cut.kind === 'read' && whole.kind === 'read') expect(cut.bytes).toEqual(whole.bytes);
      }),
      { numRuns: 2000 },
    );
  });
});

async function outcomeOf(
  bytes: Uint8Array,
  format: ExpositionFormat,
  lengths: readonly number[],
): Promise<{ kind: 'read'; bytes: Buffer } | { kind: 'refused'; error: TextFormatError }> {
  try {
    return { kind: 'read', bytes: bytesOf(await partsOf(inPieces(bytes, lengths), format)) };
  } catch (error) {
    if (error instanceof TextFormatError) return { kind: 'refused', error };
    throw error;
  }
}

async function refusalOf(
  bytes: Uint8Array,
  format: ExpositionFormat,
  lengths: readonly number[],
): Promise<TextFormatError> {
  const outcome = await outcomeOf(bytes, format, lengths);
  if (outcome.kind === 'read') throw new Error('it was read');
  return outcome.error;
}
