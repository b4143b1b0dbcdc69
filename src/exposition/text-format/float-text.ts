const decimal = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i;
const infinity = /^[+-]?inf(?:inity)?$/i;
/** A longer number is written anew: Go reads no more than five digits of an exponent. */
const maxKeptLength = 32;

/**
 * A number that Prometheus reads, which is what Go's strconv.ParseFloat takes but for hexadecimal numbers and
 * underscores; written so that every scraper reads it. Undefined for any other text, and beyond float64.
 */
export function readFloat(text: string): string | undefined {
  if (decimal.test(text)) {
    const value = Number(text);
    if (!Number.isFinite(value)) return undefined;
    if (text.length <= maxKeptLength) return text;
    return Object.is(value, -0) ? '-0' : String(value);
  }
  if (infinity.test(text)) return text.startsWith('-') ? '-Inf' : '+Inf';
  return /^nan$/i.test(text) ? 'NaN' : undefined;
}

const maxInt64 = '9223372036854775807';

/** Milliseconds as the text format has them: digits, no more than an int64 holds. */
export function isInt64(digits: string): boolean {
  const significant = digits.replace(/^0+/, '');
  const { length } = maxInt64;
  return significant.length < length || (significant.length === length && significant <= maxInt64);
}
