import { Registry } from 'prom-client';

/** The sections of docs/metrics.md: when a scrape shows their metrics, and which exports of src/telemetry make them. */
const sections = [
  ['Requests and scrapes', 'In every process.', ['FilterMetrics']],
  ['Certificates', 'For each file that a flag names.', ['registerCertificateMetrics']],
  [
    'Requests to API servers',
    "With a kubeconfig, under the names of Kubernetes' own client.",
    ['RestClientMetrics'],
  ],
  [
    'Policy',
    'With a policy source; lists and watches are those of API servers, snapshots those of `--policy-snapshot`.',
    ['registerPolicyMetrics', 'PolicySourceMetrics'],
  ],
  [
    'Reviews',
    'With `--authentication-kubeconfig`, `--authorization-kubeconfig` or their webhook forms.',
    ['ReviewMetrics'],
  ],
  ['Upstreams', 'With `--upstream` or `--upstream-path`.', ['UpstreamMetrics']],
  ['Virtual cluster', 'With `--virtual-cluster`.', ['VirtualClusterMetrics']],
  ['In merged expositions', 'At the end of what several `--upstream`s serve together.', ['mergedExposition']],
  ['Audit log', 'With `--audit-log-path`.', ['AuditMetrics']],
  ['Workers', 'With `--workers` above 1.', ['WorkerMetrics']],
  ['Health checks', 'At `/metrics/slis`, with `--component-slis`.', ['healthcheckMetrics']],
  [
    'Requests of an API server',
    'In an application that mounts `apiserverMetrics({ registry })`; those of workspaces with `workspaceLabel`, here `cluster`.',
    ['apiserverMetrics'],
  ],
];

/** How each is given a registry; what is not here is a class that takes one. */
const makers = {
  registerPolicyMetrics: (register, registry) => register(registry, () => []),
  registerCertificateMetrics: (register, registry) => register(registry, []),
  healthcheckMetrics: (make, registry) => make(registry),
  apiserverMetrics: (make, registry) => make({ registry, workspaceLabel: 'cluster' }),
};

export const documentedMakers = sections.flatMap(([, , names]) => names);

/** The metrics that an export of src/telemetry makes, as prom-client has them. */
async function metricsOf(name, telemetry) {
  if (name === 'mergedExposition') return mergedMetrics(telemetry[name]);
  const registry = new Registry();
  const make = makers[name] ?? ((Made, registry) => new Made(registry));
  make(telemetry[name], registry);
  return registry.getMetricsAsArray();
}

/** A merged exposition writes its own metrics without a registry. */
async function mergedMetrics(mergedExposition) {
  const exposition = { contentType: () => contentType, render: async () => ({ contentType, body: '' }) };
  const merged = mergedExposition({ members: [{ name: 'api', exposition }] });
  const { body } = await merged.render({ method: 'GET', accept: '', acceptEncoding: '' });
  return [
    ...Buffer.from(body)
      .toString()
      .matchAll(/^# HELP (\w+) (.*)\n# TYPE \S+ (\w+)\n\w+\{(\w+)=/gm),
  ].map(([, name, help, type, label]) => ({ name, help, type, labelNames: [label] }));
}

const contentType = 'text/plain; version=0.0.4; charset=utf-8';

const inTable = (text) => text.replaceAll('|', '\\|').replaceAll('*', '\\*').replaceAll('<', '\\<');

/** docs/metrics.md, from what the modules of src/telemetry export, and `mergedExposition`. */
export async function metricsPage(telemetry) {
  const shown = new Set();
  const parts = [];
  for (const [heading, when, names] of sections) {
    const metrics = await Promise.all(names.map((name) => metricsOf(name, telemetry)));
    const rows = metrics
      .flat()
      .filter(({ name }) => !shown.has(name) && shown.add(name))
      .map(({ name, type, labelNames, help }) => {
        const labels = labelNames.map((label) => `\`${label}\``).join(', ');
        return `| \`${name}\` | ${type} | ${labels} | ${inTable(help)} |`;
      });
    const table = [
      `## ${heading}\n\n${when}\n\n<!-- prettier-ignore -->`,
      '| metric | type | labels | meaning |\n| --- | --- | --- | --- |',
      ...rows,
    ];
    parts.push(table.join('\n'));
  }
  return `# Metrics

What the filter says about itself, at the \`/metrics\` that it serves; with \`--upstream\`, at \`/metrics/filter\`. The ready
server adds prom-client's default metrics (\`process_*\`, \`nodejs_*\`). Labels hold fixed words, or what the configuration
says: nothing that a client can choose. [Alerts](../examples/alerts/) and a [dashboard](../examples/grafana/) use them.

${parts.join('\n\n')}
`;
}
