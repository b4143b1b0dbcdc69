/** Up to a blank, or to a comma before another URL, or another with its name: a password may hold a comma. */
const url = /([a-z][a-z0-9+.-]{0,30}:\/\/)((?:(?!,(?:[^\s,=]*=)?[a-z][a-z0-9+.-]{0,30}:\/\/)\S)*)/gi;

/** Names whose values are never shown; the names of files with such contents are. */
const secretName =
  /(?:^|[-_.])(?:password|passphrase|passwd|secret|token|credentials?|private-?key|api-?key)$/i;

/** Kubernetes' word for a hidden value. */
const classified = 'CLASSIFIED';

/** The value of a flag as it may be shown. `name` with or without its dashes. */
export function shownValue(name: string, value: string): string {
  return secretName.test(name) && value !== '' ? classified : withoutUrlSecrets(value);
}

/** A text without the user, password and query values of its URLs. */
export function withoutUrlSecrets(text: string): string {
  return text.replace(url, (_, scheme: string, rest: string) => scheme + shownRest(rest));
}

function shownRest(rest: string): string {
  const authorityEnd = rest.search(/[/?#]/);
  // Before the query, an `@` after a slash may still be part of an unencoded password.
  const queryAt = rest.search(/[?#]/);
  const place = queryAt < 0 ? rest : rest.slice(0, queryAt);
  const at = place.lastIndexOf('@');
  const isCredential = at >= 0 && (at < authorityEnd || authorityEnd < 0 || place.slice(0, at).includes(':'));
  const shown = isCredential ? `${classified}@${place.slice(at + 1)}` : place;
  return queryAt < 0 ? shown : `${shown}${rest.charAt(queryAt)}${classified}`;
}

const dayMs = 86_400_000;
/** The largest and smallest time of a Date (ms). */
const lastMs = 8.64e15;

const unknown = 'unknown';

/** In UTC, to the second. `time` in ms since the epoch. */
export function dateText(time: number | undefined): string {
  if (time === undefined || !(Math.abs(time) <= lastMs)) return unknown;
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** An uptime as in Kubernetes' statusz. */
export function uptimeText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000)) || 0;
  const twoDigits = (count: number): string => String(count % 60).padStart(2, '0');
  return `${Math.floor(seconds / 3600)} hr ${twoDigits(Math.floor(seconds / 60))} min ${twoDigits(seconds)} sec`;
}

/** The two largest units: `3d 4h`, `5m 6s`, `0s`. */
export function durationText(ms: number): string {
  if (!Number.isFinite(ms)) return unknown;
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}

/** Whole days until `time`, rounded down: 0 on the last day, negative afterwards. */
export function daysLeft(time: number | undefined, now: number): string {
  return time === undefined || !Number.isFinite(time) ? unknown : String(Math.floor((time - now) / dayMs));
}
