import type { ScrapeRequest } from '../exposition.js';
import { parseMediaType } from '../text-format/media-type.js';

const textFormat = 'text/plain;version=0.0.4';
const maxAcceptLength = 2048;
const isWeight = /^(?:0(?:\.\d{1,3})?|1(?:\.0{1,3})?)$/;

/**
 * What is asked of the exposition behind the filter: as the scraper asks it, but for what cannot be filtered. That is
 * protobuf, any content coding, and names beyond `[a-zA-Z0-9_:]`.
 */
export function filteredRequest(request: ScrapeRequest): ScrapeRequest {
  return {
    accept: readableTypes(request.accept),
    acceptEncoding: 'identity',
    timeoutSeconds: request.timeoutSeconds,
    user: request.user,
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  };
}

/** The members of an Accept header (RFC 9110, 12.5.1) that name a format read here, in their order. */
function readableTypes(accept: string): string {
  const members = accept
    .slice(0, maxAcceptLength)
    .split(',')
    .flatMap((member) => {
      const { essence = '', parameters } = parseMediaType(member) ?? {};
      const weight = parameters?.get('q');
      const type = readableType(essence, parameters?.get('version'));
      if (type === undefined) return [];
      return [weight !== undefined && isWeight.test(weight) ? `${type};q=${weight}` : type];
    });
  return members.length === 0 ? textFormat : [...new Set(members)].join(',');
}

function readableType(essence: string, version: string | undefined): string | undefined {
  switch (essence) {
    case 'application/openmetrics-text':
      return version === undefined || version === '1.0.0' || version === '0.0.1'
        ? `${essence};version=${version ?? '1.0.0'};escaping=underscores`
        : undefined;
    case 'text/plain':
    case 'text/*':
    case '*/*':
      return version === undefined || version === '0.0.4' ? textFormat : undefined;
    default:
      return undefined;
  }
}
