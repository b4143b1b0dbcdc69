import { finding, type Finding } from './finding.js';
import { openPolicy } from '../../policy/open-policy.js';
import type { PolicySource } from '../../policy/policy-source.js';
import type { Policy } from '../../policy/policy.js';
import { sourceFlag, type PolicySources } from '../../options/policy/policy-source-flags.js';
import { softened, type SourcesReport } from './policy-sources.js';

export interface LoadedPolicy {
  readonly findings: readonly Finding[];
  /** Undefined where a part of it is missing: what is said of half a policy is wrong. */
  readonly policy: Policy | undefined;
}

/** How long all of it may take (ms): the whole of a large policy. */
const loadMs = 30_000;

/** Reads the policy once, from the sources that may be read, and follows it no further. */
export async function loadPolicy(
  { sources, fallbacks, bootstrap }: PolicySources,
  { readable, standIns }: SourcesReport,
): Promise<LoadedPolicy> {
  const isAsked = ({ name }: PolicySource): boolean => readable.has(name) || name === 'directory';
  const findings: Finding[] = [];
  const failed = new Set<string>();
  const tolerant = (source: PolicySource): PolicySource => ({
    name: source.name,
    open: async () => {
      await source.open?.();
    },
    start: (sink) =>
      source.start(sink).catch((error: unknown) => {
        const flag = sourceFlag(source.name).name;
        failed.add(source.name);
        findings.push(finding('error', 'policy-source', flag, withoutFlagName(error, flag)));
        // Nobody has to wait for it.
        sink.replace([]);
      }),
    close: () => source.close(),
  });
  const asked = sources.filter(isAsked);
  const open = await openPolicy({
    sources: asked.map(tolerant),
    fallbacks: new Map([...fallbacks].filter((pair) => pair.every((layer) => readable.has(layer)))),
    bootstrap: typeof bootstrap === 'boolean' || !isAsked(bootstrap) ? bootstrap !== false : bootstrap,
  });
  try {
    for (const { layer, reason } of await open.settled(loadMs)) {
      const message = `the policy did not come within ${loadMs / 1000} s: ${reason ?? 'the server did not answer'}`;
      const flag = sourceFlag(layer).name;
      findings.push(...softened([finding('error', 'policy-source', flag, message)], standIns.get(layer)));
    }
    findings.push(...contents(open.policy, failed));
    const isDirectoryWhole = !failed.has('directory');
    const areAllAsked = sources.every((source) => isAsked(source) || standsIn(source, fallbacks, readable));
    const isWhole = isDirectoryWhole && areAllAsked && open.policy.unavailable() === undefined;
    return { findings, policy: isWhole ? open.policy : undefined };
  } finally {
    // The policy stays as it was read.
    const all = typeof bootstrap === 'boolean' ? sources : [...sources, bootstrap];
    await Promise.all([open.close(), ...all.map((source) => source.close())]);
  }
}

/** What each source gave. */
function contents(policy: Policy, failed: ReadonlySet<string>): readonly Finding[] {
  return policy
    .status()
    .flatMap(({ layer, state, clusterRoles, clusterRoleBindings }) =>
      layer === 'bootstrap' || state !== 'synced' || failed.has(layer)
        ? []
        : [
            finding(
              'ok',
              'policy-source',
              sourceFlag(layer).name,
              `gave ${clusterRoles} ClusterRoles and ${clusterRoleBindings} ClusterRoleBindings`,
            ),
          ],
    );
}

/** Whether another layer holds the same policy. */
function standsIn(
  { name }: PolicySource,
  fallbacks: ReadonlyMap<string, string>,
  readable: ReadonlySet<string>,
): boolean {
  return [...fallbacks].some(
    ([layer, fallback]) =>
      (layer === name && readable.has(fallback)) || (fallback === name && readable.has(layer)),
  );
}

function withoutFlagName(error: unknown, flag: string): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.startsWith(`${flag}: `) ? message.slice(flag.length + 2) : message;
}
