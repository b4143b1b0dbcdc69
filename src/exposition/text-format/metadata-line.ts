import { isUtf8 } from 'node:buffer';
import type { ExpositionFormat } from './exposition-format.js';
import { LineFault, OpenQuoteFault } from './line-fault.js';
import { writtenName } from './metric-name.js';
import { typeOf, type MetricType } from './metric-type.js';
import { escapedHelp, escapedText, openQuotedText, unescaped } from './quoted-text.js';

/** What a line says that begins with `#`, and where the next one begins. */
export type MetadataLine = (
  | {
      readonly kind: 'metadata';
      /** Unescaped; UTF-8 as Latin-1. */
      readonly latin1Family: string;
      readonly metadata: Metadata;
    }
  | { readonly kind: 'end' }
  | { readonly kind: 'comment' }
) & { readonly end: number };

/** What one line says of a metric. */
export type Metadata =
  | { readonly kind: 'HELP'; /** As escaped. */ readonly text: string }
  | { readonly kind: 'TYPE'; readonly text: MetricType }
  | { readonly kind: 'UNIT'; readonly text: string };

interface Syntax {
  /** HELP, TYPE or UNIT with the blanks behind it. */
  readonly keyword: RegExp;
  /** A name, quoted or not, and the rest of its line. */
  readonly rest: RegExp;
}

const name = String.raw`(?:"([^"\\\0]*(?:\\[^\n\0][^"\\\0]*)*)"|([a-zA-Z_:][a-zA-Z0-9_:]*))`;
const syntaxes: Readonly<Record<ExpositionFormat, Syntax>> = {
  text: {
    keyword: /#[ \t]+(HELP|TYPE)[ \t]+/y,
    // Whatever stands behind the name, the first character is not looked at.
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
    if (format === 'text') return { kind: 'comment', end };
    if (lines.slice(start, end) === '# EOF\n') return { kind: 'end', end };
    throw new LineFault('OpenMetrics has no such comment');
  }
  rest.lastIndex = openQuotedText.lastIndex = keyword.lastIndex;
  const found = rest.exec(lines);
  if (found === null) {
    if (openQuotedText.test(lines)) throw new OpenQuoteFault();
    throw new LineFault(`${kind} of no valid metric name`);
  }
  const [, quoted, plain = '', text = ''] = found;
  const latin1Family = quoted === undefined ? plain : unescaped(quoted);
  const end = rest.lastIndex;
  const metadata = metadataOf(kind, text, latin1Family, format);
  // Prometheus takes it, and no metric is called so.
  return latin1Family === '' ? { kind: 'comment', end } : { kind: 'metadata', latin1Family, metadata, end };
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
  // Of all that such a line says, this alone is looked at by Prometheus.
  if (!isUtf8(bytes)) throw new LineFault('is not UTF-8');
  return { kind: 'HELP', text: format === 'text' ? rewrittenHelp(text) : escapedText(unescaped(text)) };
}

/** With its backslashes and line feeds escaped, as some have to be. */
function rewrittenHelp(text: string): string {
  return text.includes('\\') ? escapedHelp(text.replace(/\\([\\n])/g, unescapedHelp)) : text;
}

function unescapedHelp(_escape: string, character: string): string {
  return character === 'n' ? '\n' : character;
}

/** The line that says it. */
export function metadataLine(family: string, { kind, text }: Metadata): string {
  return `# ${kind} ${writtenName(family)} ${text}\n`;
}
