/**
 * The canonical spelling of a decoded path: no empty, `.` or `..` segment. A trailing slash is kept, because
 * `/version/` and `/version` are two paths to Kubernetes (and `/metrics/` is not `/metrics`).
 */
export function cleanPath(path: string): string {
  if (!unclean.test(path)) return path;
  const segments: string[] = [];
  const parts = path.split('/');
  for (const part of parts) {
    if (part === '..') segments.pop();
    else if (part !== '' && part !== '.') segments.push(part);
  }
  const cleaned = `/${segments.join('/')}`;
  return path.endsWith('/') && cleaned !== '/' ? `${cleaned}/` : cleaned;
}

const unclean = /\/(?:\/|\.{1,2}(?:\/|$))/;

/**
 * A cleaned path as a Location header's value. It begins with exactly one slash and holds no backslash, so
 * that no browser can read a host into it.
 */
export function locationOf(cleanedPath: string, query: string): string {
  const encoded = cleanedPath.split('/').map(encodeSegment).join('/');
  // A raw query may carry bytes that no header value may.
  return encoded + query.toWellFormed().replace(/[^\x21-\x5b\x5d-\x7e]/gu, encodeURIComponent);
}

function encodeSegment(segment: string): string {
  // encodeURIComponent, less the sub-delimiters and `:` and `@` that RFC 3986 allows in a segment.
  return encodeURIComponent(segment.toWellFormed()).replace(
    /%(?:3A|40|24|26|2B|2C|3B|3D)/g,
    decodeURIComponent,
  );
}
