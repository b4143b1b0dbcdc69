import { HeaderEncodingError } from './authentication-errors.js';

// A byte order mark stays what it is: a name with it is another name.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A header value, without the blanks around it (RFC 9110, 5.5), read as UTF-8 from the bytes that it stands
 * for as Latin-1.
 *
 * @throws HeaderEncodingError for anything but UTF-8.
 */
export function decodeHeaderValue(value: string, headerName: string): string {
  const text = withoutBlanks(value);
  let highest = 0;
  for (let index = 0; index < text.length; index += 1) {
    highest = Math.max(highest, text.charCodeAt(index));
  }
  if (highest < 0x80) return text;
  // Not a byte: cut down to one, it would be another character.
  if (highest > 0xff) throw new HeaderEncodingError(headerName);
  try {
    return utf8.decode(Buffer.from(text, 'latin1'));
  } catch {
    throw new HeaderEncodingError(headerName);
  }
}

function withoutBlanks(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start += 1;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end -= 1;
  return value.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
