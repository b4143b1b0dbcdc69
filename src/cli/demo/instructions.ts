import type { Caller, Credentials } from './credentials.js';
import type { DemoServers } from './servers.js';

export interface InstructionsOptions {
  readonly folder: string;
  readonly prometheusFile: string;
  readonly credentials: Credentials;
  readonly servers: DemoServers;
}

/** What to try by hand while the servers run. */
export function instructions(options: InstructionsOptions): readonly string[] {
  const { folder, prometheusFile, servers } = options;
  const { prometheus, prometheusToken, mallory, admin } = options.credentials.callers;
  const { root, cache } = servers.urls;
  return [
    '',
    'In another terminal, from the folder with the keys:',
    `  cd ${shellQuote(folder)}`,
    ...tryOut('granted, by certificate', prometheus, `${root}/metrics`),
    ...tryOut('granted, by token', prometheusToken, `${root}/metrics`),
    ...tryOut('denied', mallory, `${root}/metrics`),
    ...tryOut('rejected: workspace scope', prometheus, `${root}/clusters/root/metrics`),
    ...tryOut('granted by the cache server, to system:masters', admin, `${cache}/metrics`),
    '',
    'For Prometheus:',
    `  ${prometheusFile}`,
    '',
    'Ctrl-C stops the servers and removes the folder.',
  ];
}

function tryOut(what: string, { curl }: Caller, url: string): readonly string[] {
  return [`  # ${what}`, `  curl --cacert ca.crt ${curl} ${url}`];
}

function shellQuote(text: string): string {
  return /^[\w/.:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
