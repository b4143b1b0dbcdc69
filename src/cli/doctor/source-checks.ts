import { KubeconfigError } from '../../kubernetes/kubeconfig/kubeconfig-error.js';
import { FilesRead } from '../../files/files-read.js';
import { openApiClient } from '../../kubernetes/kubeconfig/kubeconfig-client.js';
import { readKubeconfig, type Kubeconfig } from '../../kubernetes/kubeconfig/kubeconfig.js';
import { probeApiServer, type Probe } from './api-server-probe.js';
import { finding, withoutFileName, type Finding } from './finding.js';
import { credentialsOf, kubeconfigFindings } from './kubeconfig-checks.js';

/** Which server it is decides what a refusal means. */
export type ServerRole = 'root' | 'cache' | 'system-admin';

export interface ApiServerSource {
  readonly role: ServerRole;
  /** What findings name: flag and file. */
  readonly subject: string;
  readonly kubeconfig: string;
  /** Path of the server below which is read, such as `/clusters/root`. */
  readonly basePath: string;
  /** How long one attempt may take (ms). Default 10,000; with an exec plugin, which may ask somebody, 30,000. */
  readonly attemptMs?: number;
}

export interface SourceReport {
  /** Of the kubeconfig itself. */
  readonly kubeconfig: readonly Finding[];
  /** Of the server behind it; undefined where the kubeconfig cannot be read, for which a start fails. */
  readonly server?: readonly Finding[];
  /** Whether everything that is needed may be read. */
  readonly isReadable: boolean;
}

const defaultAttemptMs = 10_000;
const execAttemptMs = 30_000;

/** Looks whether a policy can be followed there. `now` in ms since the epoch. */
export async function checkApiServerSource(source: ApiServerSource, now: number): Promise<SourceReport> {
  const { subject, kubeconfig: file, basePath } = source;
  const kubeconfig = await readKubeconfig(file, new FilesRead()).catch(kubeconfigFault);
  if (kubeconfig instanceof KubeconfigError) {
    return {
      kubeconfig: [finding('error', 'policy-source', subject, withoutFileName(kubeconfig.message, file))],
      isReadable: false,
    };
  }
  const client = await openApiClient({ kubeconfig: file, basePath: () => basePath });
  try {
    const probes = await probeApiServer(client, source.attemptMs ?? attemptMsOf(kubeconfig));
    return {
      kubeconfig: kubeconfigFindings(subject, kubeconfig, now),
      server: [
        ...scopeFindings(source, client.server),
        ...probeFindings(source, kubeconfig, client.server, probes),
      ],
      isReadable: probes.every(({ outcome }) => outcome.kind === 'allowed'),
    };
  } finally {
    client.close();
  }
}

function attemptMsOf({ user }: Kubeconfig): number {
  return user.credentials.kind === 'exec' ? execAttemptMs : defaultAttemptMs;
}

function kubeconfigFault(error: unknown): KubeconfigError {
  if (error instanceof KubeconfigError) return error;
  throw error;
}

/** Another workspace's bindings decide nothing about metrics. */
function scopeFindings({ role, subject, basePath }: ApiServerSource, server: string): readonly Finding[] {
  const cluster = /\/clusters\/([^/]+)$/.exec(basePath)?.[1];
  if (role !== 'root' || cluster === undefined || cluster === 'root') return [];
  return [
    finding(
      'warning',
      'policy-source',
      subject,
      `${server} is the workspace ${JSON.stringify(cluster)}: only the root workspace decides who may scrape, so use a context whose server ends in /clusters/root`,
    ),
  ];
}

function probeFindings(
  source: ApiServerSource,
  { user }: Kubeconfig,
  server: string,
  probes: readonly Probe[],
): readonly Finding[] {
  const { subject } = source;
  const faults = faultsIn(source, server, probes);
  if (faults.length > 0) {
    return faults.map((message) => finding('error', 'policy-source', subject, message));
  }
  // The first attempt connects, and loads what it takes for that.
  const [, ...others] = probes;
  const ms = Math.max(...others.map(({ outcome }) => (outcome.kind === 'allowed' ? outcome.ms : 0)));
  return [
    finding(
      'ok',
      'policy-source',
      subject,
      `${server} lets ${credentialsOf(user)} list and watch ClusterRoles and ClusterRoleBindings, and answers within ${ms} ms`,
    ),
  ];
}

/** One for each way in which attempts failed. */
function faultsIn({ role }: ApiServerSource, server: string, probes: readonly Probe[]): readonly string[] {
  const refusals = new Map<number, { readonly attempts: string[]; readonly message: string }>();
  const others: string[] = [];
  for (const { verb, resource, outcome } of probes) {
    if (outcome.kind === 'unreachable') {
      others.push(
        `${outcome.message}: look whether the server runs, and whether its address and certificate-authority are right`,
      );
    }
    if (outcome.kind !== 'refused') continue;
    const { status, message } = outcome;
    const known = refusals.get(status);
    if (known === undefined) refusals.set(status, { attempts: [`${verb} ${resource}`], message });
    else known.attempts.push(`${verb} ${resource}`);
  }
  return [
    ...others,
    ...[...refusals].map(
      ([status, { attempts, message }]) =>
        `${server}: cannot ${attempts.join(', ')}, ${status} ${message}: ${adviceFor(status, role)}`,
    ),
  ];
}

function adviceFor(status: number, role: ServerRole): string {
  switch (status) {
    case 401:
      return 'the credentials are not believed: renew them';
    case 403:
      return grants[role];
    case 404:
      return 'there is no such API at this path: use the root workspace (/clusters/root) of a kcp, or a plain Kubernetes';
    case 429:
      return 'the server is busy: try again';
    default:
      return status >= 500 ? 'the server has failed: look at its log' : 'this is no API server for a policy';
  }
}

const grants: Readonly<Record<ServerRole, string>> = {
  root: 'apply rbac/api-access/policy-reader.yaml there, with this user as its subject',
  cache: 'a cache server knows no RBAC: use a client certificate of the group system:masters',
  'system-admin':
    'only system:masters may read system:admin: use such a certificate, or --bootstrap-policy=true, which has a copy built in',
};
