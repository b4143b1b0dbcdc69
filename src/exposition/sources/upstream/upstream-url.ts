import { UpstreamUrlError } from '../../exposition-errors.js';

/**
 * The URL of an upstream's exposition; without a path, of its `/metrics`. It may have a query, which is sent and
 * never logged.
 *
 * @throws UpstreamUrlError
 */
export function parseUpstreamUrl(text: string): URL {
  // The URL parser would take out blanks and line ends without a word.
  if (!/^https?:\/\/[\x21-\x7e]+$/i.test(text) || !URL.canParse(text)) {
    throw new UpstreamUrlError('must be an http or https URL such as http://127.0.0.1:8080/metrics');
  }
  if (text.includes('#')) throw new UpstreamUrlError('must not have a fragment');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') throw new UpstreamUrlError('must not hold credentials');
  if (url.pathname === '/') url.pathname = '/metrics';
  return url;
}
