import type { DemoServers } from './servers.js';

export function instructions(
  { urls: { root, cache } }: DemoServers,
  folder: string,
  prometheusFile: string,
): readonly string[] {
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

/** A prometheus.yml for the demo's servers; the files it names lie beside it, where Prometheus looks for them. */
export function prometheusConfig({ urls }: DemoServers): string {
  const root = new URL(urls.root).host;
  const second = new URL(urls.second).host;
  const cache = new URL(urls.cache).host;
  return `# Scrapes the demo's servers for as long as they run:
#   prometheus --config.file=prometheus.yml --storage.tsdb.path="$(mktemp -d)"
global:
  scrape_interval: 5s

scrape_configs:
  # One job for all shards, each at its own address: /metrics describes a process, not a workspace.
  - job_name: kcp-metrics-filter
    scheme: https
    tls_config:
      ca_file: ca.crt
      cert_file: prometheus.crt
      key_file: prometheus.key
    static_configs:
      - targets: ['${root}']
        labels: { shard: root }
      - targets: ['${second}']
        labels: { shard: second }

  # The same user by a bearer token.
  - job_name: kcp-metrics-filter-by-token
    scheme: https
    authorization:
      credentials_file: token
    tls_config:
      ca_file: ca.crt
    static_configs:
      - targets: ['${root}']
        labels: { shard: root }

  # A cache server has no RBAC: use a certificate of the group system:masters.
  - job_name: kcp-metrics-filter-cache-server
    scheme: https
    tls_config:
      ca_file: ca.crt
      cert_file: admin.crt
      key_file: admin.key
    static_configs:
      - targets: ['${cache}']

  # This used to work and is now always answered 501: a shard's metrics at the root workspace's path.
  # Remove metrics_path and it is the first job above.
  # - job_name: kcp-root-workspace
  #   scheme: https
  #   metrics_path: /clusters/root/metrics
  #   tls_config:
  #     ca_file: ca.crt
  #     cert_file: prometheus.crt
  #     key_file: prometheus.key
  #   static_configs:
  #     - targets: ['${root}']
`;
}
