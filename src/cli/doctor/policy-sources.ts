import type { Finding } from './finding.js';
import { checkSnapshot, type SnapshotReport } from './snapshot-checks.js';
import { checkApiServerSource, type ServerRole, type SourceReport } from './source-checks.js';
import type { PolicySource } from '../../policy/policy-source.js';
import { parseDuration } from '../../options/flag-values.js';
import { valueOf, type Flag, type FlagValues } from '../../options/flags.js';
import { maxPolicyStaleness, policySnapshot } from '../../options/policy/policy-flags.js';
import {
  cacheKubeconfig,
  rootKubeconfig,
  type PolicySources,
} from '../../options/policy/policy-source-flags.js';
import { givenFile } from './given-flags.js';

/** An API server that a layer of the policy comes from. */
interface Server {
  readonly source: PolicySource;
  readonly role: ServerRole;
  readonly flag: Flag;
}

export interface SourcesReport {
  readonly findings: readonly Finding[];
  /** The layers of API servers whose policy may be read. */
  readonly readable: ReadonlySet<string>;
  /** What decides in the place of a layer that cannot be read; in words. */
  readonly standIns: ReadonlyMap<string, string>;
}

/** Looks at the API servers that the policy comes from, all at once, and at its snapshot. */
export async function checkSources(
  values: FlagValues,
  { sources, fallbacks, bootstrap }: PolicySources,
  now: number,
): Promise<SourcesReport> {
  const servers = serversAmong(typeof bootstrap === 'boolean' ? sources : [...sources, bootstrap]);
  const reports = new Map(
    await Promise.all(
      servers.map(async (server) => [server.source.name, await check(values, server, now)] as const),
    ),
  );
  const readable = new Set([...reports].flatMap(([layer, { isReadable }]) => (isReadable ? [layer] : [])));
  const snapshot = await lookAtSnapshot(values, servers, now);
  const standIns = standInsOf(readable, fallbacks, snapshot);
  return {
    findings: [
      ...[...reports].flatMap(([layer, report]) => findingsOf(report, standIns.get(layer))),
      ...(snapshot?.findings ?? []),
    ],
    readable,
    standIns,
  };
}

const servers: Readonly<Record<string, Omit<Server, 'source'>>> = {
  root: { role: 'root', flag: rootKubeconfig },
  cache: { role: 'cache', flag: cacheKubeconfig },
  bootstrap: { role: 'system-admin', flag: rootKubeconfig },
};

function serversAmong(sources: readonly PolicySource[]): readonly Server[] {
  return sources.flatMap((source) => {
    const server = servers[source.name];
    return server === undefined ? [] : [{ source, ...server }];
  });
}

async function check(values: FlagValues, { source, role, flag }: Server, now: number): Promise<SourceReport> {
  // Its fault is found again where the kubeconfig is looked at.
  await source.open?.().catch(() => undefined);
  const basePath = source.origin === undefined ? '' : new URL(source.origin).pathname;
  const given = givenFile(values, flag.name);
  if (given === undefined) return { kubeconfig: [], isReadable: false };
  return checkApiServerSource({ role, subject: given.subject, kubeconfig: given.file, basePath }, now);
}

async function lookAtSnapshot(
  values: FlagValues,
  servers: readonly Server[],
  now: number,
): Promise<SnapshotReport | undefined> {
  const given = givenFile(values, policySnapshot.name);
  if (given === undefined) return undefined;
  const staleness = valueOf(values, maxPolicyStaleness);
  const kept = servers.filter(({ role }) => role !== 'system-admin');
  return checkSnapshot(
    {
      ...given,
      origins: new Map(kept.map(({ source }) => [source.name, source.origin])),
      maxStalenessMs: staleness === undefined ? Infinity : parseDuration(maxPolicyStaleness.name, staleness),
    },
    now,
  );
}

function standInsOf(
  readable: ReadonlySet<string>,
  fallbacks: ReadonlyMap<string, string>,
  snapshot: SnapshotReport | undefined,
): ReadonlyMap<string, string> {
  const standIns = new Map([['bootstrap', 'the copy that is built in decides until then']]);
  for (const layer of snapshot?.usable ?? []) standIns.set(layer, 'the snapshot decides until then');
  for (const [layer, fallback] of fallbacks) {
    if (readable.has(fallback)) standIns.set(layer, `${cacheKubeconfig.name} decides until then`);
    if (readable.has(layer)) standIns.set(fallback, `${rootKubeconfig.name} decides without it`);
  }
  return standIns;
}

/** A server that is away is no fatal fault where something decides in its place; a kubeconfig that cannot be read is. */
function findingsOf({ kubeconfig, server }: SourceReport, standIn: string | undefined): readonly Finding[] {
  if (server === undefined) return kubeconfig;
  return softened([...kubeconfig, ...server], standIn);
}

/** Errors become warnings that say what decides in the meantime, if anything does. */
export function softened(findings: readonly Finding[], standIn: string | undefined): readonly Finding[] {
  if (standIn === undefined) return findings;
  return findings.map((found) =>
    found.level === 'error'
      ? { ...found, level: 'warning', message: `${found.message} (${standIn})` }
      : found,
  );
}
