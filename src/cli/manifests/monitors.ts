import type { ConfiguredServer, ManifestNames, Scraper } from './configured-server.js';
import { labelsOf, metadataOf, nameLabel, type Manifest, type ManifestFile } from './printed-manifest.js';

/** For the Prometheus operator: a fixed address; one object for each path. */
export function scrapeConfig(server: ConfiguredServer, names: ManifestNames): ManifestFile {
  const target = addressOf(server, names);
  const documents = suffixesOf(server.paths).map(({ path, suffix }): Manifest => ({
    apiVersion: 'monitoring.coreos.com/v1alpha1',
    kind: 'ScrapeConfig',
    metadata: metadataOf(names, suffix),
    spec: {
      jobName: `${names.name}${suffix}`,
      ...classOf(server, names),
      scheme: 'HTTPS',
      metricsPath: path,
      tlsConfig: tlsConfigOf(server, names),
      staticConfigs: [{ targets: [target] }],
    },
  }));
  return { comment: commentOf(server, names), documents };
}

function addressOf({ port }: ConfiguredServer, { serverName }: ManifestNames): string {
  return serverName.includes(':') ? `[${serverName}]:${port}` : `${serverName}:${port}`;
}

/**
 * Name suffixes for objects that exist once per path, from what comes after its first segment: `-filter` for
 * `/metrics/filter`.
 */
function suffixesOf(paths: readonly string[]) {
  const taken = new Set<string>();
  return paths.map((path) => {
    const behind = path.toLowerCase().replace(/^\/[^/]*/, '');
    const plain = behind.replaceAll(/[^a-z0-9]+/g, '-').replace(/-$/, '');
    let suffix = plain;
    for (let count = 2; taken.has(suffix); count += 1) suffix = `${plain}-${count}`;
    taken.add(suffix);
    return { path, suffix };
  });
}

/** For the Prometheus operator: the Service's endpoints, or the pods, where there is no Service. */
export function monitor(
  kind: 'ServiceMonitor' | 'PodMonitor',
  server: ConfiguredServer,
  names: ManifestNames,
): ManifestFile {
  const endpoints = server.paths.map((path) => ({
    port: portName,
    scheme: 'https',
    path,
    tlsConfig: tlsConfigOf(server, names),
    ...(server.paths.length > 1 && { relabelings: [pathLabel] }),
  }));
  const spec: Manifest = {
    jobLabel: nameLabel,
    selector: { matchLabels: labelsOf(names.name) },
    ...classOf(server, names),
    ...(kind === 'ServiceMonitor' ? { endpoints } : { podMetricsEndpoints: endpoints }),
  };
  const documents = [{ apiVersion: 'monitoring.coreos.com/v1', kind, metadata: metadataOf(names), spec }];
  return { comment: commentOf(server, names), documents };
}

/** Without it, two paths of a server would be targets with the same labels, whose series collide. */
const pathLabel = { action: 'replace', sourceLabels: ['__metrics_path__'], targetLabel: 'metrics_path' };

/** The operator forbids token files in monitors, since they could leak Prometheus's own token; a scrape class may. */
function classOf({ credentials }: ConfiguredServer, { name }: ManifestNames): Manifest {
  return credentials.kind === 'token' ? { scrapeClass: name } : {};
}

function tlsConfigOf({ credentials }: ConfiguredServer, { name, serverName }: ManifestNames): Manifest {
  const ca = { secret: { name: `${name}-tls`, key: 'ca.crt' } };
  if (credentials.kind === 'token') return { serverName, ca };
  const secret = `${name}-scraper-tls`;
  return {
    serverName,
    ca,
    cert: { secret: { name: secret, key: 'tls.crt' } },
    keySecret: { name: secret, key: 'tls.key' },
  };
}

function commentOf({ credentials }: ConfiguredServer, { name, namespace, scraper }: ManifestNames) {
  const authority = `The Secret ${name}-tls in ${namespace} contains the CA of the serving certificate as ca.crt.`;
  if (credentials.kind === 'certificate') {
    return [authority, `The Secret ${name}-scraper-tls there contains the scraper's certificate and key.`];
  }
  const { audience } = credentials;
  // The token of the service account that Prometheus runs as, or one that the cluster does not issue.
  const source =
    scraper.kind === 'ServiceAccount'
      ? [
          '        projected:',
          '          sources:',
          '            - serviceAccountToken:',
          '                path: token',
          ...(audience === undefined ? [] : [`                audience: ${JSON.stringify(audience)}`]),
        ]
      : ['        secret:', `          secretName: ${name}-token`];
  return [
    authority,
    `The token comes from the scrape class ${name}, which the Prometheus object must define:`,
    '',
    '  spec:',
    '    scrapeClasses:',
    `      - name: ${name}`,
    '        authorization:',
    `          credentialsFile: /var/run/secrets/${name}/token`,
    '    volumes:',
    `      - name: ${name}-token`,
    ...source,
    '    volumeMounts:',
    `      - name: ${name}-token`,
    `        mountPath: /var/run/secrets/${name}`,
    '        readOnly: true',
  ];
}

const portName = 'metrics';

/** The Service in front of the pods that run the server. */
export function service({ port }: ConfiguredServer, names: ManifestNames): ManifestFile {
  const ports = [{ name: portName, port, targetPort: portName }];
  const spec = { selector: labelsOf(names.name), ports };
  return {
    comment: [`The container port must be named ${portName}.`],
    documents: [{ apiVersion: 'v1', kind: 'Service', metadata: metadataOf(names), spec }],
  };
}

/** For a prometheus.yml: a job for each path, and one for the workspaces whose metrics the scraper may read. */
export function scrapeJob(server: ConfiguredServer, names: ManifestNames): ManifestFile {
  const { paths, discoveryPath } = server;
  const target = addressOf(server, names);
  const credentials = credentialsOf(server, names);
  // Each target of a discovery brings the path to scrape with it, as `__metrics_path__`.
  const discovery = (path: string): Manifest => ({
    ...credentials,
    http_sd_configs: [{ url: `https://${target}${path}`, ...credentials }],
    relabel_configs: [{ source_labels: ['__meta_kcp_workspace_path'], target_label: 'workspace' }],
  });
  const jobs = suffixesOf(discoveryPath === undefined ? paths : [...paths, discoveryPath]).map(
    ({ path, suffix }): Manifest => ({
      job_name: `${names.name}${suffix}`,
      scheme: 'https',
      ...(path === discoveryPath
        ? discovery(path)
        : { metrics_path: path, ...credentials, static_configs: [{ targets: [target] }] }),
    }),
  );
  return {
    comment: [
      'For prometheus.yml. File names are relative to it: ca.crt is the CA of the serving certificate.',
    ],
    documents: [{ scrape_configs: jobs }],
  };
}

function credentialsOf({ credentials }: ConfiguredServer, { name, serverName }: ManifestNames): Manifest {
  const authority = { ca_file: 'ca.crt', server_name: serverName };
  if (credentials.kind === 'certificate') {
    return { tls_config: { ...authority, cert_file: `${name}.crt`, key_file: `${name}.key` } };
  }
  // The type is the default, but not every release of Prometheus knows that of a discovery.
  return { tls_config: authority, authorization: { type: 'Bearer', credentials_file: `${name}.token` } };
}

const rbac = 'rbac.authorization.k8s.io';

export function clusterRoleOf(metadata: Manifest, paths: readonly string[], verbs: readonly string[]) {
  return {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata,
    rules: [{ nonResourceURLs: paths, verbs }],
  };
}

export function bindingOf(metadata: Manifest, role: string, subjects: readonly Manifest[]): Manifest {
  const roleRef = { apiGroup: rbac, kind: 'ClusterRole', name: role };
  return { apiVersion: `${rbac}/v1`, kind: 'ClusterRoleBinding', metadata, roleRef, subjects };
}

export function subjectOf(scraper: Scraper): Manifest {
  return scraper.kind === 'ServiceAccount' ? { ...scraper } : { apiGroup: rbac, ...scraper };
}

/** Grants the scraper all served paths and nothing else. */
export function clusterRoleBinding({ paths, isKcp }: ConfiguredServer, { name, scraper }: ManifestNames) {
  // kcp has a role for `/metrics` alone.
  const isBuiltIn = isKcp && paths.every((path) => path === '/metrics');
  const role = isBuiltIn ? 'system:kcp:metrics-reader' : `${name}:metrics-reader`;
  // With any value of the annotation, kcp replicates the object to the other shards.
  const copied = isKcp && { annotations: { 'internal.kcp.io/replicate': 'true' } };
  // RBAC object names may be any path segment.
  const binding = `${name}:metrics-reader:${scraper.name.replaceAll(/[/%]/g, '-')}`;
  const comment = isKcp
    ? [
        "Apply in kcp's root workspace. kcp replicates to the other shards only what has the annotation",
        'internal.kcp.io/replicate.',
      ]
    : ['A path has no namespace: this grants it on every server that uses the RBAC of this cluster.'];
  return {
    comment,
    documents: [
      ...(isBuiltIn ? [] : [clusterRoleOf({ name: role, ...copied }, paths, ['get'])]),
      bindingOf({ name: binding, ...copied }, role, [subjectOf(scraper)]),
    ],
  };
}
