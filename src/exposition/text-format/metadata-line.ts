import { isUtf8 } from 'node:buffer';
import type { ExpositionFormat } from './exposition-format.js';
import { decodedName, writtenName } from './metric-name.js';
import { escapedHelp, escapedText, LineFault, openQuotedText, unescaped } from './quoted-text.js';

/** What the names of a type's samples may have behind the family's name. In the text format, counters have none. */
export const sampleSuffixes = {
  counter: ['', '_total', '_created'],
  gauge: [''],
  gaugehistogram: ['_bucket', '_gsum', '_gcount'],
  histogram: ['_bucket', '_sum', '_count', '_created'],
  info: ['_info'],
  stateset: [''],
  summary: ['', '_sum', '_count', '_created'],
  unknown: [''],
  untyped: [''],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** As the formats write it; `untyped` is the text format's word for `unknown`. */
export type MetricType = keyof typeof sampleSuffixes;

export function isMetricType(text: string): text is MetricType {
  return Object.hasOwn(sampleSuffixes, text);
}

const typesOf: Readonly<Record<ExpositionFormat, readonly MetricType[]>> = {
  text: ['counter', 'gauge', 'histogram', 'summary', 'untyped'],
  openmetrics: ['counter', 'gauge', 'gaugehistogram', 'histogram', 'info', 'stateset', 'summary', 'unknown'],
};

function typeOf(text: string, format: ExpositionFormat): MetricType | undefined {
  return typesOf[format].find((known) => known === text);
}

/** The type as a format writes it; one that the format does not know is `untyped` or `unknown`. */
export function writtenType(type: string, format: ExpositionFormat): MetricType {
  return typeOf(type, format) ?? (format === 'text' ? 'untyped' : 'unknown');
}

/** A HELP, TYPE or UNIT line. It may come anywhere, and contradict an earlier one of the same metric. */
export interface FamilyMetadata {
  readonly kind: 'metadata';
  readonly family: string;
  readonly metadata: Metadata;
}

/** What a line that begins with `#` says, where it is no comment, and where the next line begins. */
interface MetadataLine {
  readonly part: FamilyMetadata | { readonly kind: 'end' } | undefined;
  readonly end: number;
}

/** What is said about a metric. */
export type Metadata =
  | { readonly kind: 'HELP'; /** As escaped. */ readonly text: string }
  | { readonly kind: 'TYPE'; readonly text: MetricType }
  | { readonly kind: 'UNIT'; readonly text: string };

const name = String.raw`(?:"([^"\\\0]*(?:\\[^\n\0][^"\\\0]*)*)"|([a-zA-Z_:][a-zA-Z0-9_:]*))`;
/** HELP, TYPE or UNIT with the blanks behind it; and a name, quoted or not, with the rest of its line. */
const syntaxes = {
  text: {
    keyword: /#[ \t]+(HELP|TYPE)[ \t]+/y,
    // Prometheus skips the first character behind the name, whatever it is.
    rest: new RegExp(String.raw`${name}(?:[ \t]*(?=\n)|[^\n])([^\n]*)\n`, 'y'),
  },
  openmetrics: {
    keyword: /# (HELP|TYPE|UNIT) /y,
    rest: new RegExp(String.raw`${name} ([^\n]*)\n`, 'y'),
  },
};

/**
 * Reads the line that begins at `start` with `#`.
 *
 * @param lines UTF-8 as Latin-1; whole lines.
 * @throws LineFault
 */
export function readMetadataLine(lines: string, start: number, format: ExpositionFormat): MetadataLine {
  const { keyword, rest } = syntaxes[format];
  keyword.lastIndex = start;
  const [, kind] = keyword.exec(lines) ?? [];
  if (kind === undefined) {
    const end = lines.indexOf('\n', start) + 1;
    if (format === 'text') return { part: undefined, end };
    if (lines.slice(start, end) === '# EOF\n') return { part: { kind: 'end' }, end };
    throw new LineFault('OpenMetrics has no such comment');
  }
  rest.lastIndex = openQuotedText.lastIndex = keyword.lastIndex;
  const found = rest.exec(lines);
  if (found === null) {
    if (openQuotedText.test(lines)) throw new LineFault('a quoted text is not closed', true);
    throw new LineFault(`${kind} of no valid metric name`);
  }
  const [, quoted, plain = '', text = ''] = found;
  const latin1Family = quoted === undefined ? plain : unescaped(quoted);
  const end = rest.lastIndex;
  const metadata = metadataOf(kind, text, latin1Family, format);
  // Prometheus takes an empty name, which no metric has.
  if (latin1Family === '') return { part: undefined, end };
  return { part: { kind: 'metadata', family: decodedName(latin1Family), metadata }, end };
}

function metadataOf(kind: string, latin1: string, family: string, format: ExpositionFormat): Metadata {
  if (kind === 'TYPE') {
    const type = typeOf(latin1, format);
    if (type === undefined) throw new LineFault('TYPE is none of the format’s types');
    return { kind, text: type };
  }
  const bytes = Buffer.from(latin1, 'latin1');
  const text = bytes.toString('utf8');
  if (kind === 'UNIT') {
    if (latin1 === '' || family.endsWith(`_${latin1}`)) return { kind, text };
    throw new LineFault('UNIT is not how the metric’s name ends');
  }
  // Prometheus checks the encoding of HELP alone.
  if (!isUtf8(bytes)) throw new LineFault('is not UTF-8');
  return { kind: 'HELP', text: format === 'text' ? rewrittenHelp(text) : escapedText(unescaped(text)) };
}

/** With every backslash and line feed escaped; a backslash that escapes nothing is text. */
function rewrittenHelp(text: string): string {
  if (!text.includes('\\')) return text;
  return escapedHelp(text.replace(/\\[\\n]/g, (escape) => (escape === '\\n' ? '\n' : '\\')));
}

export function metadataLine(family: string, { kind, text }: Metadata): string {
  return `# ${kind} ${writtenName(family)} ${text}\n`;
}
