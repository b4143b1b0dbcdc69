import { maxRetryAfterMs } from './api-error.js';

/**
 * What a `Retry-After` header asks for (RFC 9110, 10.2.3: seconds, or a date), from 0 to 5 minutes (ms);
 * undefined for anything else.
 */
export function parseRetryAfter(value: string | undefined, now = Date.now()): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const delay = /^\d+$/.test(text) ? Number(text) * 1000 : dateOf(text) - now;
  return Number.isNaN(delay) ? undefined : Math.min(Math.max(0, delay), maxRetryAfterMs);
}

/** Only what says GMT: `Date.parse` takes all kinds of text for a date, in local time. */
function dateOf(text: string): number {
  return /^[A-Za-z]{3,9}, .* GMT$/.test(text) ? Date.parse(text) : NaN;
}
