/** Up to a blank, or to a comma before another URL, or another with its name: a password may hold a comma. */
const url = /([a-z][a-z0-9+.-]{0,30}:\/\/)((?:(?!,(?:[^\s,=]*=)?[a-z][a-z0-9+.-]{0,30}:\/\/)\S)*)/gi;

/** Names after which no value is ever shown; files that hold such things may be named. */
const secretName =
  /(?:^|[-_.])(?:password|passphrase|passwd|secret|token|credentials?|private-?key|api-?key)$/i;

/** Kubernetes' word in the place of a value. */
const classified = 'CLASSIFIED';

/** The value of a flag as it may be shown. `name` with or without its dashes. */
export function shownValue(name: string, value: string): string {
  return secretName.test(name) && value !== '' ? classified : withoutUrlSecrets(value);
}

/** A text in which each URL has lost its user, its password and the values of its query. */
export function withoutUrlSecrets(text: string): string {
  return text.replace(url, (_, scheme: string, rest: string) => scheme + shownRest(rest));
}

function shownRest(rest: string): string {
  const authorityEnd = rest.search(/[/?#]/);
  // Before the query, an `@` behind a slash may still belong to a password that nobody encoded.
  const queryAt = rest.search(/[?#]/);
  const place = queryAt < 0 ? rest : rest.slice(0, queryAt);
  const at = place.lastIndexOf('@');
  const isCredential = at >= 0 && (at < authorityEnd || authorityEnd < 0 || place.slice(0, at).includes(':'));
  const shown = isCredential ? `${classified}@${place.slice(at + 1)}` : place;
  return queryAt < 0 ? shown : `${shown}${rest.charAt(queryAt)}${classified}`;
}
