/** A line of the text format: what is measured, and its value. */
export interface Sample {
  readonly sample: string;
  readonly value: number;
}

/** The samples in lines that this package has written, which have no timestamps. */
export function* samplesIn(lines: string): Generator<Sample, void, undefined> {
  let start = 0;
  for (let end = lines.indexOf('\n'); end >= 0; end = lines.indexOf('\n', start)) {
    const gap = lines.lastIndexOf(' ', end);
    if (gap > start) yield { sample: lines.slice(start, gap), value: valueOf(lines.slice(gap + 1, end)) };
    start = end + 1;
  }
}

function valueOf(text: string): number {
  if (text === '+Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}

/**
 * The names of a sample's labels in their order, behind the sample's own name. Reads what this package has written;
 * of any other text it gives a text, too.
 */
export function labelOrder(sample: string): string {
  let at = sample.indexOf('{') + 1;
  if (at === 0) return sample;
  let order = sample.slice(0, at);
  for (const { name, end } of labelsFrom(sample, at)) {
    order += `${name},`;
    at = end;
  }
  return order;
}

/** A sample with its labels in the order of their names: the same for two that scrapers take for one. */
export function inLabelOrder(sample: string): string {
  const at = sample.indexOf('{') + 1;
  if (at === 0) return sample;
  const labels = [...labelsFrom(sample, at)].map(({ start, end }) => sample.slice(start, end));
  return `${sample.slice(0, at)}${labels.sort().join(',')}}`;
}

interface LabelPlace {
  readonly name: string;
  readonly start: number;
  /** Behind the closing quote. */
  readonly end: number;
}

function* labelsFrom(sample: string, from: number): Generator<LabelPlace, void, undefined> {
  let start = from;
  for (let equals = sample.indexOf('="', start); equals >= 0; equals = sample.indexOf('="', start)) {
    const end = valueEnd(sample, equals + 2);
    yield { name: sample.slice(start, equals), start, end };
    start = end + 1;
  }
}

/** Behind the quote that closes a label's value. */
function valueEnd(sample: string, from: number): number {
  let quote = sample.indexOf('"', from);
  while (quote >= 0 && isEscaped(sample, quote, from)) quote = sample.indexOf('"', quote + 1);
  return quote < 0 ? sample.length : quote + 1;
}

function isEscaped(sample: string, quote: number, from: number): boolean {
  let backslashes = 0;
  for (let at = quote - 1; at >= from && sample[at] === '\\'; at -= 1) backslashes += 1;
  return backslashes % 2 === 1;
}
