import type { ScrapeRequest } from '../exposition.js';

const textFormat = 'text/plain;version=0.0.4';
const maxAcceptLength = 2048;

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
      const [essence = '', ...parameters] = member.split(';').map((part) => part.trim().toLowerCase());
      const weight = parameters.find((parameter) => /^q=(?:0(?:\.\d{1,3})?|1(?:\.0{1,3})?)$/.test(parameter));
      const version = parameters.find((parameter) => parameter.startsWith('version='));
      const type = readableType(essence, version);
      return type === undefined ? [] : [weight === undefined ? type : `${type};${weight}`];
    });
  return members.length === 0 ? textFormat : [...new Set(members)].join(',');
}

function readableType(essence: string, version: string | undefined): string | undefined {
  if (essence === 'application/openmetrics-text') {
    return version === undefined || /^version=(?:1\.0\.0|0\.0\.1)$/.test(version)
      ? `${essence};${version ?? 'version=1.0.0'};escaping=underscores`
      : undefined;
  }
  if (essence !== 'text/plain' && essence !== 'text/*' && essence !== '*/*') return undefined;
  return version === undefined || version === 'version=0.0.4' ? textFormat : undefined;
}
