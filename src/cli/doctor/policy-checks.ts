import { authorization } from '../../options/authorization-options.js';
import { serverKindOf } from '../../options/general-options.js';
import { valueOf, type GivenOptions, type Option } from '../../options/option.js';
import {
  namesPolicySource,
  policy as policyTopic,
  sourceOption,
  policySourcesOf,
  type PolicySources,
  workspaceSources,
} from '../../options/policy-options.js';
import { UsageError } from '../../options/usage-error.js';
import { bootstrapLayer, openPolicy } from '../../policy/open-policy.js';
import type { Policy } from '../../policy/policy.js';
import type { PolicySource } from '../../policy/policy-source.js';
import {
  danglingBindingFindings,
  shardLevelBindings,
  subjectFindings,
  unreplicatedBindingFindings,
  type ShardLevelBinding,
} from './bindings.js';
import { callersOf } from './callers.js';
import { finding, withoutSubject, type Finding } from './finding.js';
import { givenFile } from './given-files.js';
import { gatewayFindings, scrapersFinding, type Granted } from './scrapers.js';
import { checkSnapshot } from './snapshot-checks.js';
import { workspaceFindings } from './workspace-checks.js';
import { checkApiServerSource, type ServerRole } from './source-checks.js';

const { cacheKubeconfig, maxPolicyStaleness, policySnapshot, rootKubeconfig } = policyTopic.options;

/** Checks the policy, its sources and who may scrape. `given`: all flags, also the invalid ones. */
export async function policyFindings(usable: GivenOptions, given: GivenOptions, now: number) {
  if (serverKindOf(usable) === 'cache-server' && !namesPolicySource(given)) {
    return [scrapersFinding(usable, given)];
  }
  const callers = callersOf(given);
  const warnings: string[] = [];
  const sources = policySourcesOf(usable, { onWarning: (message) => warnings.push(message) });
  const report = await checkSources(usable, sources, now);
  const { findings, policy } = await loadPolicy(sources, report);
  const ofWorkspaces = await workspaceFindings(sources, report.readable.has('workspaces'), callers);
  const found = [...report.findings, ...findings, ...ofWorkspaces, ...warnings.map(warningFinding)];
  if (policy === undefined) return found;
  if (!authorization.read(usable).authorizationOrder.includes('RBAC')) {
    const message = 'does not list RBAC, so no binding of the policy grants anything: add RBAC';
    const { name } = authorization.options.authorizationOrder;
    return [...found, finding('warning', 'scrapers', name, message), scrapersFinding(usable, given)];
  }
  const bindings = shardLevelBindings(policy).filter(({ layer }) => layer !== bootstrapLayer);
  return [
    ...found,
    ...danglingBindingFindings(policy),
    ...unreplicatedBindingFindings(bindings.filter(isReplicatedByKcp(sources))),
    ...subjectFindings(bindings, callers),
    scrapersFinding(usable, given, grantedBy(policy, bindings)),
    ...gatewayFindings(usable, policy),
  ];
}

/** Plain Kubernetes has no other shards. */
function isReplicatedByKcp({ sources, bootstrap }: PolicySources): (binding: ShardLevelBinding) => boolean {
  const root = sources.find(({ name }) => name === 'root')?.origin;
  const isKcp = root === undefined ? bootstrap !== false : new URL(root).pathname.includes('/clusters/');
  return ({ layer }) => isKcp && (layer === 'root' || layer === 'directory');
}

function grantedBy(policy: Policy, ours: readonly ShardLevelBinding[]): Granted {
  // Kubernetes and kcp reserve names with `system:` for their own objects.
  const made = new Set(
    ours.flatMap(({ binding, isForAdministrators }) =>
      isForAdministrators || binding.name.startsWith('system:') ? [] : [binding],
    ),
  );
  const granting = [...policy.grantsOf('get', '/metrics')].map(({ binding }) => binding);
  return {
    scrapers: granting.filter((binding) => made.has(binding)).flatMap(({ subjects }) => subjects),
    administrators: granting.filter((binding) => !made.has(binding)).flatMap(({ subjects }) => subjects),
  };
}

/** A source's warning begins with the file and line where it has found something. */
function warningFinding(warning: string): Finding {
  const [, place, fault] = /^(.*?:\d+): (.*)$/s.exec(warning) ?? [];
  return place === undefined || fault === undefined
    ? finding('warning', 'policy-source', 'policy', warning)
    : finding('warning', 'manifest', place, fault);
}

/** The API servers that layers of the policy come from. */
const servers: Readonly<Record<string, readonly [ServerRole, Option]>> = {
  root: ['root', rootKubeconfig],
  cache: ['cache', cacheKubeconfig],
  bootstrap: ['system-admin', rootKubeconfig],
  workspaces: ['workspaces', workspaceSources.options.workspaceKubeconfig],
};

/**
 * Looks at the API servers that the policy comes from, all at once, and at its snapshot. `readable` are the layers whose
 * policy may be read, `standIns` what decides in the place of one that cannot be, in words, and `doubled` the layers of
 * which another, readable one holds the same policy.
 */
async function checkSources(
  values: GivenOptions,
  { sources, fallbacks, bootstrap, workspaces }: PolicySources,
  now: number,
) {
  const kept = workspaces === undefined ? sources : [...sources, workspaces.source];
  const all = typeof bootstrap === 'boolean' ? kept : [...kept, bootstrap];
  const reports = await Promise.all(
    all.map(async (source) => [source.name, await checkServer(values, source, now)] as const),
  );
  const readable = new Set(reports.flatMap(([layer, report]) => (report?.isReadable ? [layer] : [])));
  const { file, subject = '' } = givenFile(values, policySnapshot) ?? {};
  const stored = kept.filter(({ name }) => servers[name] !== undefined);
  const origins = new Map(stored.map(({ name, origin }) => [name, origin]));
  const maxStalenessMs = valueOf(maxPolicyStaleness, values) ?? Infinity;
  const snapshot =
    file === undefined ? undefined : await checkSnapshot({ subject, file, origins, maxStalenessMs }, now);
  const standIns = new Map([['bootstrap', 'the built-in copy decides until then']]);
  for (const layer of snapshot?.usable ?? []) standIns.set(layer, 'the snapshot decides until then');
  const doubled = new Set<string>();
  for (const [layer, fallback] of fallbacks) {
    const pairs = [
      [layer, fallback, `${cacheKubeconfig.name} decides until then`],
      [fallback, layer, `${rootKubeconfig.name} decides without it`],
    ] as const;
    for (const [one, other, words] of pairs) {
      if (!readable.has(other)) continue;
      standIns.set(one, words);
      doubled.add(one);
    }
  }
  const findings = reports.flatMap(([layer, report]) => {
    if (report === undefined) return [];
    // An unreachable server is not fatal if something else decides instead; an unreadable kubeconfig is.
    const { kubeconfig, server } = report;
    return server === undefined ? kubeconfig : softened([...kubeconfig, ...server], standIns.get(layer));
  });
  return { findings: [...findings, ...(snapshot?.findings ?? [])], readable, standIns, doubled };
}

async function checkServer(values: GivenOptions, source: PolicySource, now: number) {
  const [role, option] = servers[source.name] ?? [];
  const given = option && givenFile(values, option);
  if (role === undefined || option === undefined || given === undefined) return undefined;
  try {
    await source.open?.();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const message = withoutSubject(withoutSubject(error.message, option.name), given.file);
    const fault = finding('error', 'policy-source', given.subject, message);
    return { kubeconfig: [fault], server: undefined, isReadable: false };
  }
  const basePath = source.origin === undefined ? '' : new URL(source.origin).pathname;
  return checkApiServerSource({ role, subject: given.subject, kubeconfig: given.file, basePath }, now);
}

/** Turns errors into warnings that say what decides in the meantime, if anything does. */
function softened(findings: readonly Finding[], standIn: string | undefined): readonly Finding[] {
  if (standIn === undefined) return findings;
  return findings.map((found) =>
    found.level === 'error'
      ? { ...found, level: 'warning', message: `${found.message} (${standIn})` }
      : found,
  );
}

const loadMs = 30_000;

/**
 * Reads the policy once, from the sources that may be read, and follows it no further. No policy where a part of it is
 * missing: half of one would be judged wrongly.
 */
async function loadPolicy(
  { sources, fallbacks, bootstrap }: PolicySources,
  { readable, standIns, doubled }: Awaited<ReturnType<typeof checkSources>>,
) {
  const isAsked = ({ name }: PolicySource): boolean => readable.has(name) || name === 'directory';
  const findings: Finding[] = [];
  const failed = new Set<string>();
  const tolerant = (source: PolicySource): PolicySource => ({
    ...source,
    start: (sink) =>
      source.start(sink).catch((error: unknown) => {
        const flag = sourceOption(source.name).name;
        failed.add(source.name);
        const message = error instanceof Error ? error.message : String(error);
        findings.push(finding('error', 'policy-source', flag, withoutSubject(message, flag)));
        // Left empty, so that it is not waited for.
        sink.replace([]);
      }),
  });
  const open = await openPolicy({
    sources: sources.filter(isAsked).map(tolerant),
    fallbacks: new Map([...fallbacks].filter((pair) => pair.every((layer) => readable.has(layer)))),
    bootstrap: typeof bootstrap === 'boolean' || !isAsked(bootstrap) ? bootstrap !== false : bootstrap,
  });
  try {
    for (const { layer, reason } of await open.settled(loadMs)) {
      const message = `the policy did not load within ${loadMs / 1000} s: ${reason ?? 'the server did not answer'}`;
      const fault = finding('error', 'policy-source', sourceOption(layer).name, message);
      findings.push(...softened([fault], standIns.get(layer)));
    }
    for (const { layer, state, clusterRoles, clusterRoleBindings } of open.policy.status()) {
      if (layer === bootstrapLayer || state !== 'synced' || failed.has(layer)) continue;
      const message = `has ${clusterRoles} ClusterRoles and ${clusterRoleBindings} ClusterRoleBindings`;
      findings.push(finding('ok', 'policy-source', sourceOption(layer).name, message));
    }
    const areAllAsked = sources.every((source) => isAsked(source) || doubled.has(source.name));
    const isWhole = !failed.has('directory') && areAllAsked && open.policy.unavailable() === undefined;
    return { findings, policy: isWhole ? open.policy : undefined };
  } finally {
    // The policy stays as it was read.
    const all = typeof bootstrap === 'boolean' ? sources : [...sources, bootstrap];
    await Promise.all([open.close(), ...all.map((source) => source.close())]);
  }
}
