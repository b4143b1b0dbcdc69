/** RFC 9110, 5.6.2. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

/** Fields that mean something else to whoever reads them, or to those between. */
const takenFields: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'authorization',
  'connection',
  'content-length',
  'cookie',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'x-prometheus-scrape-timeout-seconds',
]);

/** Why an upstream cannot be told anything in a header field of this name; undefined where it can. */
export function fieldNameFault(name: string): string | undefined {
  if (!token.test(name)) return `${JSON.stringify(name)} is no field name`;
  return takenFields.has(name.toLowerCase()) ? `${JSON.stringify(name)} has another meaning` : undefined;
}
