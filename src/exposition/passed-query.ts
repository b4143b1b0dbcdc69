/** Bytes of all parameters of one scrape, encoded; so that scrapes can still be compared. */
const maxBytes = 2048;

/** Names such as `collect[]`, `match[]` and `target`. */
export const queryNamePattern = /^[A-Za-z0-9_.:[\]-]{1,64}$/;

/**
 * The parameters of a request target's query that an upstream is told: those with a name of `names`, in their order and
 * encoded anew, so that no value can become another parameter or a fragment. Empty if there are none.
 *
 * @throws RangeError for a value that is not percent-encoded UTF-8, or for more than 2 KiB; it quotes nothing.
 */
export function passedQuery(target: string, names: ReadonlySet<string>): string {
  const at = target.indexOf('?');
  if (at === -1) return '';
  let passed = '';
  for (const parameter of target.slice(at + 1).split('&')) {
    const equals = parameter.indexOf('=');
    const name = equals === -1 ? parameter : parameter.slice(0, equals);
    const known = decoded(name);
    if (known === undefined || !names.has(known)) continue;
    const text = decoded(equals === -1 ? '' : parameter.slice(equals + 1));
    if (text === undefined) throw new RangeError('a parameter of the query is not percent-encoded UTF-8');
    passed += `${passed === '' ? '' : '&'}${encodeURIComponent(known)}=${encodeURIComponent(text)}`;
    // At once: there may be thousands.
    if (passed.length > maxBytes) throw new RangeError(`more than ${maxBytes} bytes of query parameters`);
  }
  return passed;
}

/** Of a form (WHATWG URL, 5.1); undefined for a broken escape, and for what no escape can hold. */
function decoded(text: string): string | undefined {
  if (!text.includes('%') && !text.includes('+')) return text.isWellFormed() ? text : undefined;
  try {
    const found = decodeURIComponent(text.replaceAll('+', ' '));
    return found.isWellFormed() ? found : undefined;
  } catch {
    return undefined;
  }
}
