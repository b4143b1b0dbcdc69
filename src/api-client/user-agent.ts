import { readFileSync } from 'node:fs';

/** `kcp-metrics-filter/<version of this package>` */
export const userAgent = `kcp-metrics-filter/${packageVersion()}`;

function packageVersion(): string {
  // src/api-client and dist/api-client both lie two levels below the package's root.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
