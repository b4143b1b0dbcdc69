/** The last moment that a Date can hold (seconds since the epoch). */
const lastSecond = 8.64e12;

/** A NumericDate (RFC 7519, section 2) in whole seconds, as Kubernetes cuts it; undefined for anything else. */
export function numericDate(value: unknown): number | undefined {
  return typeof value === 'number' && Math.abs(value) <= lastSecond ? Math.trunc(value) : undefined;
}

/** For messages. */
export function dateText(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
