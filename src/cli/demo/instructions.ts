import type { DemoServers } from './servers.js';

export interface InstructionsOptions {
  readonly folder: string;
  readonly prometheusFile: string;
  readonly servers: DemoServers;
}

/** What to try by hand while the servers run. */
export function instructions({ folder, prometheusFile, servers }: InstructionsOptions): readonly string[] {
  const { root, cache } = servers.urls;
  return [
    '',
    'In another terminal, from the folder with the keys:',
    `  cd ${shellQuote(folder)}`,
    ...tryOut('granted, by certificate', certificate('prometheus'), `${root}/metrics`),
    ...tryOut('granted, by token', '-H "Authorization: Bearer $(cat token)"', `${root}/metrics`),
    ...tryOut('denied', certificate('mallory'), `${root}/metrics`),
    ...tryOut('rejected: workspace scope', certificate('bob'), `${root}/clusters/root/metrics`),
    ...tryOut('granted by the cache server', certificate('admin'), `${cache}/metrics`),
    '',
    'For Prometheus:',
    `  ${prometheusFile}`,
    '',
    'Ctrl-C stops the servers and removes the folder.',
  ];
}

function tryOut(what: string, credentials: string, url: string): readonly string[] {
  return [`  # ${what}`, `  curl --cacert ca.crt ${credentials} ${url}`];
}

function certificate(caller: string): string {
  return `--cert ${caller}.crt --key ${caller}.key`;
}

function shellQuote(text: string): string {
  return /^[\w/.:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
