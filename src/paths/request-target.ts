/** A request target (RFC 9112, section 3.2), reduced to what decides: its decoded path and its raw query. */
export interface RequestTarget {
  /** Percent-decoded once; always begins with `/`. */
  readonly path: string;
  /** As sent, with its leading `?`; empty when there is none. */
  readonly query: string;
}

const absoluteForm = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\\]*/i;
const plainPath = /^[\x21-\x24\x26-\x7e]*$/;
const beyondLatin1 = /[^\0-\xff]/;

/**
 * Drops scheme and authority of an absolute-form target, so that a proxy-style request line cannot name a
 * path that the guard reads differently from the application.
 */
export function originForm(target: string): string {
  if (target.startsWith('/')) return target;
  const prefix = absoluteForm.exec(target)?.[0];
  if (prefix === undefined) return target;
  const rest = target.slice(prefix.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Returns undefined when the target has no path (`*`, authority-form) or holds a broken escape. */
export function parseRequestTarget(target: string): RequestTarget | undefined {
  const origin = originForm(target);
  if (!origin.startsWith('/')) return undefined;
  const queryAt = origin.indexOf('?');
  const rawPath = queryAt < 0 ? origin : origin.slice(0, queryAt);
  const path = percentDecode(rawPath);
  return path === undefined ? undefined : { path, query: queryAt < 0 ? '' : origin.slice(queryAt) };
}

/**
 * One pass of percent-decoding, read as UTF-8; bytes that are not UTF-8 become U+FFFD, which no name or path
 * that decides here contains. Undefined for a `%` without two hexadecimal digits.
 */
function percentDecode(raw: string): string | undefined {
  if (plainPath.test(raw)) return raw;
  // Node hands over raw bytes as Latin-1; anything beyond was put there by a program and is text already.
  const source = Buffer.from(raw, beyondLatin1.test(raw) ? 'utf8' : 'latin1');
  const decoded = Buffer.alloc(source.length);
  let length = 0;
  for (let at = 0; at < source.length; at += 1) {
    let byte = source.readUInt8(at);
    if (byte === 0x25) {
      const high = hexDigit(source[at + 1]);
      const low = hexDigit(source[at + 2]);
      if (high === undefined || low === undefined) return undefined;
      byte = high * 16 + low;
      at += 2;
    }
    decoded.writeUInt8(byte, length);
    length += 1;
  }
  return decoded.toString('utf8', 0, length);
}

function hexDigit(byte: number | undefined): number | undefined {
  if (byte === undefined) return undefined;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : undefined;
}
