import type { Level } from './finding.js';

const dayMs = 86_400_000;
/** Renewing one by hand takes a while. */
const soonDays = 30;

export interface ValidityPeriod {
  /** Milliseconds since the epoch; both ends are still valid. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface Validity {
  readonly level: Level;
  /** Goes on after the certificate's name: `expired 3 days ago, on 2026-01-31: renew it`. */
  readonly words: string;
}

/** What the time says of a certificate. `now` in ms since the epoch. */
export function validityOf({ notBefore, notAfter }: ValidityPeriod, now: number): Validity {
  if (now < notBefore) {
    return {
      level: 'error',
      words: `is not valid before ${new Date(notBefore).toISOString()}: look at the clock, or wait`,
    };
  }
  if (notAfter < now) {
    return { level: 'error', words: `expired ${days(now - notAfter)} ago, on ${date(notAfter)}: renew it` };
  }
  const left = notAfter - now;
  return left < soonDays * dayMs
    ? { level: 'warning', words: `expires in ${days(left)}, on ${date(notAfter)}: renew it` }
    : { level: 'ok', words: `is valid for ${days(left)}, until ${date(notAfter)}` };
}

function days(ms: number): string {
  const count = Math.floor(ms / dayMs);
  if (count === 0) return 'less than a day';
  return count === 1 ? '1 day' : `${count} days`;
}

function date(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
