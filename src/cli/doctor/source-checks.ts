import { policy } from '../../options/policy-options.js';
import { FilesRead } from '../../files/files-read.js';
import { KubeconfigError, KubernetesClientMissingError } from '../../kubernetes/kubernetes-errors.js';
import { openApiClient } from '../../kubernetes/kubeconfig/kubeconfig-client.js';
import { readKubeconfig, type Kubeconfig } from '../../kubernetes/kubeconfig/kubeconfig.js';
import { about, withoutSubject, type Finding } from './finding.js';
import { credentialsOf, kubeconfigFindings } from './kubeconfig-checks.js';
import { type ApiClient, requestJson } from '../../kubernetes/api-client.js';
import { jsonOf } from '../../outgoing/json-answer.js';
import { ApiConnectionError, ApiContentError, ApiStatusError } from '../../outgoing/outgoing-errors.js';

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
  let kubeconfig: Kubeconfig;
  let client: ApiClient;
  try {
    kubeconfig = await readKubeconfig(file, new FilesRead());
    client = await openApiClient({ kubeconfig: file, basePath: () => basePath });
  } catch (error) {
    if (!(error instanceof KubeconfigError || error instanceof KubernetesClientMissingError)) throw error;
    const message = withoutSubject(error.message, file);
    return { kubeconfig: [about('policy-source', subject)('error', message)], isReadable: false };
  }
  try {
    const isExec = kubeconfig.user.credentials.kind === 'exec';
    const attemptMs = source.attemptMs ?? (isExec ? execAttemptMs : defaultAttemptMs);
    const probes = await probeApiServer(client, attemptMs);
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

/** Another workspace's bindings decide nothing about metrics. */
function scopeFindings({ role, subject, basePath }: ApiServerSource, server: string): readonly Finding[] {
  const cluster = /\/clusters\/([^/]+)$/.exec(basePath)?.[1];
  if (role !== 'root' || cluster === undefined || cluster === 'root') return [];
  const message = `${server} is the workspace ${JSON.stringify(cluster)}: only the root workspace decides who may scrape, so use a context whose server ends in /clusters/root`;
  return [about('policy-source', subject)('warning', message)];
}

function probeFindings(
  { role, subject }: ApiServerSource,
  { user }: Kubeconfig,
  server: string,
  probes: readonly Probe[],
): readonly Finding[] {
  const at = about('policy-source', subject);
  const faults = faultsIn(role, server, probes);
  if (faults.length > 0) return faults.map((message) => at('error', message));
  // The first attempt connects, and loads what it takes for that.
  const [, ...others] = probes;
  const ms = Math.max(...others.map(({ outcome }) => (outcome.kind === 'allowed' ? outcome.ms : 0)));
  const what = 'list and watch ClusterRoles and ClusterRoleBindings';
  return [at('ok', `${server} lets ${credentialsOf(user)} ${what}, and answers within ${ms} ms`)];
}

/** One for each way in which attempts failed. */
function faultsIn(role: ServerRole, server: string, probes: readonly Probe[]): readonly string[] {
  const refusals = new Map<number, { readonly attempts: string[]; readonly message: string }>();
  const unreachable: string[] = [];
  for (const { verb, resource, outcome } of probes) {
    if (outcome.kind === 'unreachable') {
      const advice =
        'look whether the server runs, and whether its address and certificate-authority are right';
      unreachable.push(`${outcome.message}: ${advice}`);
    } else if (outcome.kind === 'refused') {
      const { status, message } = outcome;
      const refusal = refusals.get(status) ?? { attempts: [], message };
      refusal.attempts.push(`${verb} ${resource}`);
      refusals.set(status, refusal);
    }
  }
  const refused = [...refusals].map(([status, { attempts, message }]) => {
    const advice = adviceFor(status, role);
    return `${server}: cannot ${attempts.join(', ')}, ${status} ${message}: ${advice}`;
  });
  return [...unreachable, ...refused];
}

const adviceOnStatus: Readonly<Record<number, string>> = {
  401: 'the credentials are not accepted: renew them',
  404: 'there is no such API at this path: use the root workspace (/clusters/root) of a kcp, or a plain Kubernetes',
  429: 'the server is busy: try again',
};

const grants: Readonly<Record<ServerRole, string>> = {
  root: 'apply rbac/api-access/policy-reader.yaml there, with this user as its subject',
  cache: 'a cache server knows no RBAC: use a client certificate of the group system:masters',
  'system-admin': `only system:masters may read system:admin: use such a certificate, or ${policy.options.bootstrapPolicy.name}=true, which has a copy built in`,
};

function adviceFor(status: number, role: ServerRole): string {
  if (status === 403) return grants[role];
  const otherwise =
    status >= 500 ? 'the server has failed: look at its log' : 'this is no API server for a policy';
  return adviceOnStatus[status] ?? otherwise;
}

/** What came of one attempt. */
export type ProbeOutcome =
  | { readonly kind: 'allowed'; readonly ms: number }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }
  /** The message begins with the server. */
  | { readonly kind: 'unreachable'; readonly message: string };

export interface Probe {
  readonly verb: 'list' | 'watch';
  readonly resource: 'clusterroles' | 'clusterrolebindings';
  readonly outcome: ProbeOutcome;
}

/** For one object of a list; the largest that an API server keeps is far smaller. */
const maxListBytes = 8 * 1024 * 1024;
const maxStatusBytes = 64 * 1024;

/**
 * Tries what following the policy needs: to list and to watch both kinds. Where the first attempt reaches no
 * server, it is the only one. `timeoutMs` is for each attempt.
 */
export async function probeApiServer(client: ApiClient, timeoutMs: number): Promise<readonly Probe[]> {
  const first = await probeResource(client, 'clusterroles', timeoutMs);
  if (first.some(({ outcome }) => outcome.kind === 'unreachable')) return first;
  return [...first, ...(await probeResource(client, 'clusterrolebindings', timeoutMs))];
}

async function probeResource(
  client: ApiClient,
  resource: Probe['resource'],
  timeoutMs: number,
): Promise<readonly Probe[]> {
  const request = {
    method: 'GET',
    path: `/apis/rbac.authorization.k8s.io/v1/${resource}`,
    timeoutMs,
  } as const;
  let resourceVersion: string | undefined;
  const listed = await attempt(timeoutMs, async (signal) => {
    const list = await requestJson(
      client,
      { ...request, query: { limit: '1' }, signal },
      { maxBytes: maxListBytes },
    );
    resourceVersion = resourceVersionOf(list);
  });
  const list: Probe = { resource, verb: 'list', outcome: listed };
  if (listed.kind === 'unreachable') return [list];
  const watched = await attempt(timeoutMs, async (signal) => {
    // From where the list stands: without a version, a server begins with everything there is.
    const from = resourceVersion === undefined ? undefined : { resourceVersion };
    const query = { watch: 'true', timeoutSeconds: '1', ...from };
    const response = await client.send({ ...request, query, signal });
    // Expired is not forbidden.
    if (response.status === 200 || response.status === 410) return;
    // The Status of a refusal names the user whom the server saw.
    await jsonOf(response, client.server, maxStatusBytes);
    throw new ApiStatusError(response.status);
  });
  return [list, { resource, verb: 'watch', outcome: watched }];
}

/** Ends whatever is left of the attempt's answer. */
async function attempt(
  timeoutMs: number,
  request: (signal: AbortSignal) => Promise<void>,
): Promise<ProbeOutcome> {
  const ending = new AbortController();
  // The headers have their own deadline; this one is for what comes behind them.
  const deadline = setTimeout(() => {
    ending.abort();
  }, timeoutMs + 1000);
  const startedAt = performance.now();
  try {
    await request(ending.signal);
    return { kind: 'allowed', ms: Math.ceil(performance.now() - startedAt) };
  } catch (error) {
    if (error instanceof ApiStatusError) {
      return { kind: 'refused', status: error.status, message: error.message };
    }
    if (error instanceof ApiConnectionError || error instanceof ApiContentError) {
      return { kind: 'unreachable', message: error.message };
    }
    throw error;
  } finally {
    clearTimeout(deadline);
    ending.abort();
  }
}

function resourceVersionOf(list: unknown): string | undefined {
  const version = (list as { readonly metadata?: { readonly resourceVersion?: unknown } | null } | null)
    ?.metadata?.resourceVersion;
  return typeof version === 'string' ? version : undefined;
}
