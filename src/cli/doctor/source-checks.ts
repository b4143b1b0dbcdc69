import { presentOnly } from '../../present-only.js';
import type { GivenOptions } from '../../options/option.js';
import { policy } from '../../options/policy-options.js';
import { virtualClusters } from '../../options/virtual-cluster-options.js';
import { FilesRead } from '../../files/files-read.js';
import { KubeconfigError, KubernetesClientMissingError } from '../../kubernetes/kubernetes-errors.js';
import { openApiClient } from '../../kubernetes/kubeconfig/kubeconfig-client.js';
import { readKubeconfig, type Kubeconfig } from '../../kubernetes/kubeconfig/kubeconfig.js';
import { about, those, withoutSubject, type Finding } from './finding.js';
import { credentialsOf, kubeconfigFindings } from './kubeconfig-checks.js';
import { type ApiClient, requestJson } from '../../kubernetes/api-client.js';
import { jsonOf } from '../../outgoing/json-answer.js';
import { ApiConnectionError, ApiContentError, ApiStatusError } from '../../outgoing/outgoing-errors.js';

/** Decides what a refusal means. */
export type ServerRole = 'root' | 'cache' | 'system-admin' | 'workspaces' | 'host';

interface ApiServerSource {
  readonly role: ServerRole;
  readonly subject: string;
  readonly kubeconfig: string;
  /** The base path of the API, such as `/clusters/root`. Default: the kubeconfig's. */
  readonly basePath?: string;
  /** What has to be read there. Default: what the policy consists of. */
  readonly resources?: readonly [Resource, ...Resource[]];
  /** How long one attempt may take (ms). Default 10,000; with an exec plugin, which may be interactive, 30,000. */
  readonly attemptMs?: number;
}

const defaultAttemptMs = 10_000;
const execAttemptMs = 30_000;

/**
 * Checks that its objects can be followed there. No findings of the server if its kubeconfig cannot be read, which also
 * fails a start. `now` in ms since the epoch.
 */
export async function checkApiServerSource(source: ApiServerSource, now: number) {
  const { role, subject, kubeconfig: file, basePath } = source;
  const at = about(role === 'host' ? 'virtual-cluster' : 'policy-source', subject);
  let kubeconfig: Kubeconfig;
  let client: ApiClient;
  try {
    kubeconfig = await readKubeconfig(file, new FilesRead());
    client = await openApiClient({ kubeconfig: file, basePath: (path) => basePath ?? path });
  } catch (error) {
    if (!(error instanceof KubeconfigError || error instanceof KubernetesClientMissingError)) throw error;
    const message = withoutSubject(error.message, file);
    return { kubeconfig: [at('error', message)], server: undefined, isReadable: false };
  }
  try {
    const isExec = kubeconfig.user.credentials.kind === 'exec';
    const attemptMs = source.attemptMs ?? (isExec ? execAttemptMs : defaultAttemptMs);
    const resources = source.resources ?? (role === 'workspaces' ? [...ofPolicy, logicalClusters] : ofPolicy);
    const { server } = client;
    const probes = await probeApiServer(client, resources, attemptMs);
    const faults = faultsIn(role, server, probes);
    // The first attempt also connects and loads modules.
    const ms = Math.max(...probes.slice(1).map(({ outcome }) => (typeof outcome === 'number' ? outcome : 0)));
    const kinds = resources.map(({ kind }) => kind).join(' and ');
    const what = `list and watch ${kinds}${role === 'workspaces' ? ' of all workspaces' : ''}`;
    const lets = `${server} lets ${credentialsOf(kubeconfig.user)} ${what}, and answers in ${ms} ms`;
    return {
      kubeconfig: kubeconfigFindings(at, kubeconfig, now),
      server: [
        ...(role === 'root' ? scopeFaults(server, basePath) : []).map((message) => at('warning', message)),
        ...(faults.length > 0 ? faults.map((message) => at('error', message)) : [at('ok', lets)]),
      ],
      isReadable: faults.length === 0,
    };
  } finally {
    client.close();
  }
}

/**
 * Checks that the pods of the virtual cluster can be followed on its host, if there is one. `now` in ms since the
 * epoch.
 */
export async function hostFindings(usable: GivenOptions, now: number): Promise<readonly Finding[]> {
  const { virtualCluster: named, hostKubeconfig: kubeconfig } = virtualClusters.read(usable);
  if (named === undefined || kubeconfig === undefined) return [];
  const { podSelector, podsPath } = await import('../../kubernetes/virtual-cluster.js');
  const pods = { kind: 'Pods', path: podsPath(named), labelSelector: podSelector(named.name) };
  const subject = `${virtualClusters.options.hostKubeconfig.name} ${kubeconfig}`;
  const report = await checkApiServerSource({ role: 'host', subject, kubeconfig, resources: [pods] }, now);
  return [...report.kubeconfig, ...(report.server ?? [])];
}

/** Bindings of other workspaces do not count for metrics. */
function scopeFaults(server: string, basePath = ''): readonly string[] {
  const cluster = /\/clusters\/([^/]+)$/.exec(basePath)?.[1] ?? 'root';
  const message = `${server} is the workspace ${JSON.stringify(cluster)}, but only the root workspace decides who may scrape: use a context whose server ends in /clusters/root`;
  return those([cluster !== 'root', message]);
}

/** The distinct failures of the attempts. */
function faultsIn(role: ServerRole, server: string, probes: readonly Probe[]): readonly string[] {
  const refusals = new Map<number, { readonly attempts: string[]; readonly message: string }>();
  const unreachable: string[] = [];
  for (const { verb, resource, outcome } of probes) {
    if (outcome instanceof ApiStatusError) {
      const { status, message } = outcome;
      const refusal = refusals.get(status) ?? { attempts: [], message };
      refusal.attempts.push(`${verb} ${resource}`);
      refusals.set(status, refusal);
    } else if (typeof outcome !== 'number') {
      const advice = 'check that the server runs, and that its address and certificate-authority are correct';
      unreachable.push(`${outcome.message}: ${advice}`);
    }
  }
  const refused = [...refusals].map(([status, { attempts, message }]) => {
    const otherwise =
      status >= 500 ? 'the server failed: see its log' : 'this is not an API server with RBAC';
    const advice = status === 403 ? grants[role] : (adviceOnStatus[status] ?? otherwise);
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
  cache: 'a cache server has no RBAC: use a client certificate of the group system:masters',
  'system-admin': `only system:masters may read system:admin: use such a certificate, or ${policy.options.bootstrapPolicy.name}=true, which uses a built-in copy`,
  host: 'let this user list and watch pods in that namespace, or in all if none is named',
  workspaces:
    'kcp lets only system:masters list and watch all workspaces: use a client certificate of that group',
};

/** How long an allowed attempt took (ms), or why it failed. */
type ProbeOutcome = number | ApiStatusError | ApiConnectionError | ApiContentError;

/** A kind of object, and where it is listed. */
interface Resource {
  readonly kind: string;
  readonly path: string;
  readonly labelSelector?: string;
}

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const ofPolicy = [
  { kind: 'ClusterRoles', path: `${rbac}/clusterroles` },
  { kind: 'ClusterRoleBindings', path: `${rbac}/clusterrolebindings` },
] as const;
const logicalClusters = { kind: 'LogicalClusters', path: '/apis/core.kcp.io/v1alpha1/logicalclusters' };

interface Probe {
  readonly verb: 'list' | 'watch';
  /** As a rule names it. */
  readonly resource: string;
  readonly outcome: ProbeOutcome;
}

/** For a list of one object; API servers store far smaller ones only. */
const maxListBytes = 8 * 1024 * 1024;
const maxStatusBytes = 64 * 1024;

/**
 * Tries to list and watch all kinds, which following the policy needs. If the first attempt reaches no
 * server, it is the only one. `timeoutMs` is for each attempt.
 */
async function probeApiServer(
  client: ApiClient,
  [resource, ...resources]: readonly [Resource, ...Resource[]],
  timeoutMs: number,
): Promise<readonly Probe[]> {
  const first = await probeResource(client, resource, timeoutMs);
  if (first.length === 1) return first;
  const others = await Promise.all(resources.map((other) => probeResource(client, other, timeoutMs)));
  return [...first, ...others.flat()];
}

/** One attempt only if that reaches no server. */
async function probeResource(client: ApiClient, { kind, path, labelSelector }: Resource, timeoutMs: number) {
  const request = { method: 'GET', path, timeoutMs } as const;
  const resource = kind.toLowerCase();
  const selector = presentOnly({ labelSelector });
  // Watches from the list's version: without one, a server sends every object first.
  let from = {};
  const listed = await attempt(timeoutMs, async (signal) => {
    const query = { ...selector, limit: '1' };
    const list = await requestJson(client, { ...request, query, signal }, { maxBytes: maxListBytes });
    const resourceVersion = (list as { metadata?: { resourceVersion?: unknown } | null } | null)?.metadata
      ?.resourceVersion;
    if (typeof resourceVersion === 'string') from = { resourceVersion };
  });
  const list: Probe = { resource, verb: 'list', outcome: listed };
  if (typeof listed !== 'number' && !(listed instanceof ApiStatusError)) return [list];
  const watched = await attempt(timeoutMs, async (signal) => {
    const query = { ...selector, watch: 'true', timeoutSeconds: '1', ...from };
    const response = await client.send({ ...request, query, signal });
    // Expired is not forbidden.
    if (response.status === 200 || response.status === 410) return;
    // The Status of a refusal names the user whom the server saw.
    await jsonOf(response, client.server, maxStatusBytes);
    throw new ApiStatusError(response.status);
  });
  return [list, { resource, verb: 'watch', outcome: watched } satisfies Probe];
}

/** Ends whatever is left of the attempt's answer. */
async function attempt(timeoutMs: number, request: (signal: AbortSignal) => Promise<void>) {
  const ending = new AbortController();
  // The headers have their own deadline; this one is for the body.
  const deadline = setTimeout(ending.abort.bind(ending), timeoutMs + 1000);
  const startedAt = performance.now();
  try {
    await request(ending.signal);
    return Math.ceil(performance.now() - startedAt);
  } catch (error) {
    const isOfServer = error instanceof ApiStatusError || error instanceof ApiConnectionError;
    if (isOfServer || error instanceof ApiContentError) return error;
    throw error;
  } finally {
    clearTimeout(deadline);
    ending.abort();
  }
}
