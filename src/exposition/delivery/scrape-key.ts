import type { ScrapeRequest } from '../exposition.js';

/** No scraper asks for so much; who does gets a rendering of his own. */
const maxKeyLength = 4096;

/** Part of what a key is made of and of what is passed on: nothing that is not in the key can matter. */
export type SharedRequest = Omit<ScrapeRequest, 'scraper' | 'signal'>;

/** Of a request, all that a shared rendering may depend on. */
export function sharedRequest(request: ScrapeRequest, perUser: boolean): SharedRequest {
  const { accept, acceptEncoding, timeoutSeconds } = request;
  const user = perUser ? request.user : undefined;
  return {
    accept: normalized(accept),
    ...(acceptEncoding === undefined ? {} : { acceptEncoding: normalized(acceptEncoding) }),
    timeoutSeconds,
    ...(user === undefined ? {} : { user }),
  };
}

/** The same for requests that get the same; undefined where a request is too long to be compared. */
export function scrapeKey({
  accept,
  acceptEncoding,
  timeoutSeconds,
  user,
}: SharedRequest): string | undefined {
  if (accept.length + (acceptEncoding?.length ?? 0) > maxKeyLength) return undefined;
  const parts = [accept, acceptEncoding, timeoutSeconds];
  const key = JSON.stringify(user === undefined ? parts : [...parts, user.name, user.groups, user.extra]);
  return key.length > maxKeyLength ? undefined : key;
}

/** Without the blanks that mean nothing in a list (RFC 9110, 5.6.3), unless they may be within quotes. */
function normalized(list: string): string {
  if (!/[ \t]/.test(list) || list.includes('"')) return list;
  // No expression that looks for blanks before a comma: over many blanks without one, its time grows as their square.
  return list
    .split(',')
    .map((member) => member.split(';').map(trimmed).join(';'))
    .join(',');
}

function trimmed(text: string): string {
  return text.trim();
}
