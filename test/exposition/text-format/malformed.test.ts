import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ExpositionFormat } from '../../../src/exposition/text-format/exposition-format.js';
import { readTextFormat } from '../../../src/exposition/text-format/read-text-format.js';
import { TextFormatError } from '../../../src/exposition/text-format/text-format-error.js';
import { bytesOf, expositionText, families, inPieces, partsOf, pieceLengths } from './expositions.js';

const secret = 'cadabra';

describe('a malformed exposition is refused with its line, and no value of it', () => {
  const before = 'first 1\n# TYPE a gauge\n';
  it.each<[what: string, line: string | Buffer, fault: string]>([
    ['no name', '{a="b"} 1', 'no metric name begins so'],
    ['a quoted name', '{"a.b"} 1', 'no metric name begins so'],
    ['a digit', '9a 1', 'no metric name begins so'],
    ['a carriage return', '\r', 'no metric name begins so'],
    ['a name with a dash', `a-${secret} 1`, 'a character that no name can have'],
    ['a name with a point', `a.${secret} 1`, 'a character that no name can have'],
    ['a very long name', `${'a'.repeat(1025)} 1`, 'more than 1024 characters'],
    ['no value', 'a', 'no value'],
    ['no value behind labels', `a{b="${secret}"}`, 'no value'],
    ['a value that is no number', `a ${secret}`, 'the value is not a number'],
    ['a value with a carriage return', 'a 1\r', 'the value is not a number'],
    ['half a number', 'a 1e', 'the value is not a number'],
    ['a lone sign', 'a -', 'the value is not a number'],
    ['half a hexadecimal number', 'a 0x', 'the value is not a number'],
    ['a timestamp that is no number', `a 1 ${secret}`, 'the timestamp is not a number'],
    ['a timestamp with a fraction', 'a 1 1.5', 'the timestamp is not a number'],
    ['more text', 'a 1 2 3', 'more text behind the sample'],
    ['an exemplar', 'a 1 # {b="c"} 1', 'the timestamp is not a number'],
    ['open labels', `a{b="${secret}" 1`, 'no "," or "}"'],
    ['an open value', `a{b="${secret}} 1`, 'not closed'],
    ['an unquoted value', `a{b=${secret}} 1`, 'not quoted'],
    ['no value of a label', 'a{b} 1', 'no "="'],
    ['a quoted label name', 'a{"b"="c"} 1', 'no valid name'],
    ['a comma alone', 'a{,} 1', 'no valid name'],
    ['two commas', 'a{b="c",,} 1', 'no valid name'],
    ['a label name with a dash', 'a{b-c="d"} 1', 'no "="'],
    ['the name as a label', `a{__name__="${secret}"} 1`, '"__name__"'],
    ['an unknown escape', `a{b="\\${secret}"} 1`, 'an escape that is not known'],
    ['bytes that are no UTF-8', Buffer.from('a{b="\xff"} 1', 'latin1'), 'is not UTF-8'],
    ['an unknown type', `# TYPE b ${secret}`, 'TYPE is none'],
    ['a type of OpenMetrics', '# TYPE b unknown', 'TYPE is none'],
    ['a type without a name', '# TYPE 9 gauge', 'no valid metric name'],
    ['a second type', '# TYPE a gauge', 'a second TYPE'],
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
    ['an untyped metric', '# TYPE b untyped', 'TYPE is none'],
    ['an exemplar without labels', 'a 1 # 2', 'the exemplar has no labels'],
    ['an exemplar without a value', 'a 1 # {b="c"}', 'value of the exemplar'],
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
    expect(message).toBe(`line 1: the value is not a number ("${'n'.repeat(64)}…")`);
  });
});

describe('an exposition that is cut off is refused', () => {
  it.each([
    ['text', 'a 1\nb 2', 2],
    ['openmetrics', 'a 1\nb 2\n', 3],
    ['openmetrics', '', 1],
    ['openmetrics', 'a 1\n# EO', 2],
  ] as const)('%s: %j', async (format, text, line) => {
    const error = await refusalOf(Buffer.from(text), format, [3]);
    expect([error.line, error.message]).toEqual([line, expect.stringContaining('cut off')]);
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
    ['remarks within a header', `# HELP a h\n${'# x\n'.repeat(40)}`],
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

  it('let a line through that is just as long', async () => {
    const line = `a{b="${'x'.repeat(90)}"} 1\n`;
    const bytes = Buffer.from(line);
    expect(bytesOf(await partsOf(inPieces(bytes, [3]), 'text', bytes.length)).toString()).toBe(line);
  });
});

describe('any bytes', () => {
  const fragments = fc.constantFrom(
    '# TYPE a counter',
    '# HELP a b',
    '# EOF',
    'a',
    'a_total',
    '{',
    '}',
    'b="c"',
    ',',
    '"',
    '\\',
    '\n',
    '\n',
    ' ',
    ' 1',
    ' # ',
    '0x',
    'NaN',
    '\0',
    '\r',
    'ü',
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
        if (cut.kind === 'read') expect(cut.bytes.equals(Buffer.from(bytes))).toBe(true);
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
