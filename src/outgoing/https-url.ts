/**
 * An absolute https URL without user name, password and fragment, at most 2,048 characters long; undefined for
 * anything else, plain http on a loopback address included.
 */
export function httpsUrl(text: string): URL | undefined {
  // The parser would pass over blanks at the ends, and over line ends and tabs anywhere.
  if (text.length > maxLength || !/^https:\/\/[\x21-\x7e]+$/i.test(text) || !URL.canParse(text))
    return undefined;
  const url = new URL(text);
  const { username, password } = url;
  return username === '' && password === '' && !text.includes('#') ? url : undefined;
}

const maxLength = 2_048;
