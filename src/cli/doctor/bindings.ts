import { shardLevelGrants } from '../../authorization/shard-level-grants.js';
import { describeSubject, type ClusterRoleBinding } from '../../policy/objects.js';
import type { Policy } from '../../policy/policy.js';
import { isEverybody, matchFault, type Callers } from './callers.js';
import { finding, type Finding } from './finding.js';

interface BindingInLayer {
  readonly layer: string;
  readonly binding: ClusterRoleBinding;
}

export type ShardLevelBinding = ReturnType<typeof shardLevelBindings>[number];

/** Each is checked against every binding; real policies have far fewer rules for metrics. */
const maxQuestions = 64;
/** A subject that is granted an unknown verb on an unknown path is granted everything. */
const unheardOf = 'any verb, any path';

/** All bindings in force that grant anything on `/metrics` or below. Walks the whole policy. */
export function shardLevelBindings(policy: Policy) {
  const granted = questionsAbout(policy).flatMap(([verb, path]) => [...policy.grantsOf(verb, path)]);
  const found = new Map(granted.map((bound) => [bound.binding, bound]));
  const administrators = new Set([...policy.grantsOf(unheardOf, unheardOf)].map(({ binding }) => binding));
  return [...found.values()].map((bound) => ({
    ...bound,
    /** Grants every verb on every path: for administrators, not for metrics. */
    isForAdministrators: administrators.has(bound.binding),
  }));
}

/** Verb and path of one request for each rule about a shard-level path. */
function questionsAbout(policy: Policy): readonly (readonly [verb: string, path: string])[] {
  const questions = new Map<string, readonly [string, string]>();
  const objects = policy.status().flatMap(({ layer }) => policy.objects(layer));
  const grants = objects.flatMap((one) =>
    one.kind === 'ClusterRole' ? [...shardLevelGrants(one.rules)] : [],
  );
  for (const { url, verbs } of grants) {
    // The shortest path that the pattern matches.
    const prefix = url.replace(/\*$/, '');
    const path = '/metrics'.startsWith(prefix) ? '/metrics' : prefix;
    for (const verb of verbs) {
      const question = [verb === '*' ? 'get' : verb, path] as const;
      if (questions.size < maxQuestions) questions.set(JSON.stringify(question), question);
    }
  }
  return [...questions.values()];
}

/** Bindings that grant nothing because their role does not exist. Walks the whole policy. */
export function danglingBindingFindings(policy: Policy): readonly Finding[] {
  return [...policy.danglingBindings()].flatMap((found) => {
    if (found === undefined) return [];
    const role = JSON.stringify(found.binding.role);
    const message = `names ClusterRole ${role}, which does not exist, so it grants nothing: create the role or remove the binding`;
    return [finding('warning', 'dangling-binding', describeBinding(found), message)];
  });
}

/** From rbac/api-access/replicate.yaml: grants a scrape only because kcp's escalation check requires it for binding. */
const replicatorRole = 'kcp-metrics-filter:replicate';

/**
 * Bindings in kcp's root workspace that grant a shard-level path but are not replicated to other shards.
 * Administrators' bindings are skipped: replicated, they would grant everything everywhere.
 */
export function unreplicatedBindingFindings(bindings: readonly ShardLevelBinding[]): readonly Finding[] {
  const message =
    'works on the root shard only; other shards read the cache server, which does not have it, and answer 403: annotate it with internal.kcp.io/replicate: "true" (kcp-metrics-filter replicate does that if its role only grants reading metrics)';
  return bindings.flatMap((found) => {
    const { role, subjects, replicated } = found.binding;
    return replicated || found.isForAdministrators || role === replicatorRole || subjects.length === 0
      ? []
      : [finding('warning', 'unreplicated-binding', describeBinding(found), message)];
  });
}

/** Subjects of bindings to shard-level paths that match no client, or every client. */
export function subjectFindings(bindings: readonly BindingInLayer[], callers: Callers): readonly Finding[] {
  return bindings.flatMap((found) =>
    found.binding.subjects.flatMap((subject) => {
      const named = describeSubject(subject);
      const fault = matchFault(subject, callers);
      // The manifest reader already warns of it, with the line.
      if (fault === 'has no namespace' && found.binding.origin !== undefined) return [];
      if (fault !== undefined) {
        const message = `${named} ${fault}: it matches no client`;
        return [finding('warning', 'unmatched-subject', describeBinding(found), message)];
      }
      if (!isEverybody(subject)) return [];
      const message = `${named} is every client without credentials: anyone who reaches the server may read metrics; remove the subject unless that is intended`;
      return [finding('warning', 'anonymous-access', describeBinding(found), message)];
    }),
  );
}

/** Its file and line if known, else its source. */
function describeBinding({ layer, binding }: BindingInLayer): string {
  return `${binding.origin ?? layer}: ClusterRoleBinding ${JSON.stringify(binding.name)}`;
}
