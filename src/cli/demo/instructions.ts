import type { DemoUrls, ServerRole } from './servers.js';

export function instructions({ root, cache }: DemoUrls, folder: string, prometheusFile: string) {
  const certificate = (caller: string): string => `--cert ${caller}.crt --key ${caller}.key`;
  const tryOut = (what: string, credentials: string, url: string) => [
    `  # ${what}`,
    `  curl --cacert ca.crt ${credentials} ${url}`,
  ];
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

function shellQuote(text: string): string {
  return /^[\w/.:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A prometheus.yml for the demo's servers; the files it names lie beside it, where Prometheus looks for them. */
export function prometheusConfig(urls: DemoUrls): string {
  const hostOf = (role: ServerRole): string => new URL(urls[role]).host;
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
      - targets: ['${hostOf('root')}']
        labels: { shard: root }
      - targets: ['${hostOf('second')}']
        labels: { shard: second }

  # The same user by a bearer token.
  - job_name: kcp-metrics-filter-by-token
    scheme: https
    authorization:
      credentials_file: token
    tls_config:
      ca_file: ca.crt
    static_configs:
      - targets: ['${hostOf('root')}']
        labels: { shard: root }

  # A cache server has no RBAC: use a certificate of the group system:masters.
  - job_name: kcp-metrics-filter-cache-server
    scheme: https
    tls_config:
      ca_file: ca.crt
      cert_file: admin.crt
      key_file: admin.key
    static_configs:
      - targets: ['${hostOf('cache')}']

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
  #     - targets: ['${hostOf('root')}']
`;
}
