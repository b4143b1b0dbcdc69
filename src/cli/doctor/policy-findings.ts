import { danglingBindingFindings, subjectFindings, unreplicatedBindingFindings } from './binding-checks.js';
import { finding, type Finding } from './finding.js';
import { scraperFinding, type Scrapers } from './scraper-checks.js';
import { shardLevelBindings, type ShardLevelBinding } from './shard-level-bindings.js';
import { bootstrapLayer } from '../../policy/open-policy.js';
import type { Policy } from '../../policy/policy.js';
import {
  alwaysAllowGroupsFlag,
  authorizationOrderOf,
} from '../../options/authorization/authorization-flags.js';
import {
  authorizationKubeconfig,
  authorizationWebhook,
} from '../../options/authorization/authorization-webhook-flags.js';
import { isGiven, listOf, type FlagValues } from '../../options/flags.js';
import {
  namesPolicySource,
  policySourcesOf,
  type PolicySources,
} from '../../options/policy/policy-source-flags.js';
import { callersOf } from './callers.js';
import { assumedServerKind } from './flag-faults.js';
import { loadPolicy } from './loaded-policy.js';
import { checkSources } from './policy-sources.js';
import { openingFlagOf } from './served-paths.js';

/** The policy and where it comes from, and who may scrape by it. `given` are the flags with those that are at fault. */
export async function policyFindings(
  usable: FlagValues,
  given: FlagValues,
  now: number,
): Promise<readonly Finding[]> {
  if (assumedServerKind(usable) === 'cache-server' && !namesPolicySource(given)) {
    return [scrapersOf(usable, given, undefined)];
  }
  const warnings: string[] = [];
  const sources = policySourcesOf(usable, { onWarning: (message) => warnings.push(message) });
  const report = await checkSources(usable, sources, now);
  const { findings, policy } = await loadPolicy(sources, report);
  const found = [...report.findings, ...findings, ...warnings.map(warningFinding)];
  if (policy === undefined) return found;
  const isAsked = authorizationOrderOf(usable).includes('RBAC');
  if (!isAsked) {
    const message = 'leaves RBAC out: no binding of the policy grants anything; add RBAC';
    return [
      ...found,
      finding('warning', 'scrapers', '--authorization-order', message),
      scrapersOf(usable, given, undefined),
    ];
  }
  const bindings = shardLevelBindings(policy).filter(({ layer }) => layer !== bootstrapLayer);
  return [
    ...found,
    ...danglingBindingFindings(policy),
    ...unreplicatedBindingFindings(bindings.filter(isReplicatedByKcp(sources))),
    ...subjectFindings(bindings, callersOf(given)),
    scrapersOf(usable, given, grantedBy(policy, bindings)),
  ];
}

/** Plain Kubernetes has no other shards. */
function isReplicatedByKcp({ sources, bootstrap }: PolicySources): (binding: ShardLevelBinding) => boolean {
  const root = sources.find(({ name }) => name === 'root')?.origin;
  const isKcp = root === undefined ? bootstrap !== false : new URL(root).pathname.includes('/clusters/');
  return ({ layer }) => isKcp && (layer === 'root' || layer === 'directory');
}

function grantedBy(policy: Policy, ours: readonly ShardLevelBinding[]): Scrapers['granted'] {
  const made = new Set(
    ours.filter((bound) => !bound.isForAdministrators && !isSystems(bound)).map(({ binding }) => binding),
  );
  const granting = [...policy.grantsOf('get', '/metrics')].map(({ binding }) => binding);
  return {
    scrapers: granting.filter((binding) => made.has(binding)).flatMap(({ subjects }) => subjects),
    administrators: granting.filter((binding) => !made.has(binding)).flatMap(({ subjects }) => subjects),
  };
}

/** Kubernetes and kcp keep these names for what they install themselves. */
function isSystems({ binding }: ShardLevelBinding): boolean {
  return binding.name.startsWith('system:');
}

function scrapersOf(usable: FlagValues, given: FlagValues, granted: Scrapers['granted']): Finding {
  const order = authorizationOrderOf(usable);
  return scraperFinding({
    callers: callersOf(given),
    groups: order.includes('AlwaysAllowGroups')
      ? listOf(usable, alwaysAllowGroupsFlag).filter((group) => group !== '')
      : [],
    isDelegated: [authorizationKubeconfig, authorizationWebhook].some((flag) => isGiven(usable, flag)),
    openedBy: openingFlagOf(usable),
    ...(granted === undefined ? {} : { granted }),
  });
}

/** What a source has to say begins with where it found it. */
function warningFinding(warning: string): Finding {
  const [, place, fault] = /^(.*?:\d+): (.*)$/s.exec(warning) ?? [];
  return place === undefined || fault === undefined
    ? finding('warning', 'policy-source', 'policy', warning)
    : finding('warning', 'manifest', place, fault);
}
