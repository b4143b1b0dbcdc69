import { shardLevelGrants } from '../../authorization/shard-level-grants.js';
import { describeSubject, type ClusterRoleBinding } from '../../policy/objects.js';
import type { Policy } from '../../policy/policy.js';
import { isEverybody, matchFault, type Callers } from './callers.js';
import { finding, type Finding } from './finding.js';

interface BindingInLayer {
  readonly layer: string;
  readonly binding: ClusterRoleBinding;
}

export interface ShardLevelBinding extends BindingInLayer {
  /** Grants every verb on every path: made for administrators, not for metrics. */
  readonly isForAdministrators: boolean;
}

/** Each is asked of every binding; nobody writes so many rules for metrics by hand. */
const maxQuestions = 64;
/** A subject that is granted an unknown verb on an unknown path is granted everything. */
const unheardOf = 'any verb, any path';

/** Everything in force that grants anything on `/metrics` or below, each binding once. Walks the whole policy. */
export function shardLevelBindings(policy: Policy): readonly ShardLevelBinding[] {
  const found = new Map<ClusterRoleBinding, BindingInLayer>();
  for (const [verb, path] of questionsAbout(policy)) {
    for (const bound of policy.grantsOf(verb, path)) found.set(bound.binding, bound);
  }
  const administrators = new Set([...policy.grantsOf(unheardOf, unheardOf)].map(({ binding }) => binding));
  return [...found.values()].map((bound) => ({
    ...bound,
    isForAdministrators: administrators.has(bound.binding),
  }));
}

/** Verb and path of one request for each rule about a shard-level path. */
function questionsAbout(policy: Policy): readonly (readonly [verb: string, path: string])[] {
  const questions = new Map<string, readonly [string, string]>();
  const roles = policy
    .status()
    .flatMap(({ layer }) => policy.objects(layer))
    .filter((object) => object.kind === 'ClusterRole');
  for (const { url, verbs } of roles.flatMap(({ rules }) => [...shardLevelGrants(rules)])) {
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

/** Bindings that grant nothing, because their role stands nowhere. Walks the whole policy. */
export function danglingBindingFindings(policy: Policy): readonly Finding[] {
  return [...policy.danglingBindings()].flatMap((found) => {
    if (found === undefined) return [];
    const role = JSON.stringify(found.binding.role);
    const message = `names ClusterRole ${role}, which is missing: create it, or remove the binding, which grants nothing`;
    return [finding('warning', 'dangling-binding', describeBinding(found), message)];
  });
}

/** Of rbac/api-access/replicate.yaml: grants a scrape only because an API server asks for it before it lets bind. */
const replicatorRole = 'kcp-metrics-filter:replicate';

/**
 * Of bindings that grant a shard-level path in kcp's root workspace: those that no other shard gets to know.
 * Administrators' are left out, since replicated they would grant everything everywhere.
 */
export function unreplicatedBindingFindings(bindings: readonly ShardLevelBinding[]): readonly Finding[] {
  const message =
    'counts on the root shard alone; the other shards read the cache server, do not find it there and answer 403: annotate it with internal.kcp.io/replicate: "true" (kcp-metrics-filter replicate does, where its role grants nothing but to read metrics)';
  return bindings.flatMap((found) => {
    const { role, subjects, replicated } = found.binding;
    return replicated || found.isForAdministrators || role === replicatorRole || subjects.length === 0
      ? []
      : [finding('warning', 'unreplicated-binding', describeBinding(found), message)];
  });
}

/** Of bindings that grant a shard-level path: subjects that nobody is, and those that everybody is. */
export function subjectFindings(bindings: readonly BindingInLayer[], callers: Callers): readonly Finding[] {
  return bindings.flatMap((found) =>
    found.binding.subjects.flatMap((subject) => {
      const named = describeSubject(subject);
      const fault = matchFault(subject, callers);
      // The reader of manifests warns of it already, with its line.
      if (fault === 'has no namespace' && found.binding.origin !== undefined) return [];
      if (fault !== undefined) {
        const message = `${named} ${fault}: nobody is granted anything by it`;
        return [finding('warning', 'unmatched-subject', describeBinding(found), message)];
      }
      if (!isEverybody(subject)) return [];
      const message = `${named} is everybody without credentials: all who reach the server may read metrics; remove the subject unless that is meant`;
      return [finding('warning', 'anonymous-access', describeBinding(found), message)];
    }),
  );
}

/** Where it stands, if that is known, or else which source it comes from. */
function describeBinding({ layer, binding }: BindingInLayer): string {
  return `${binding.origin ?? layer}: ClusterRoleBinding ${JSON.stringify(binding.name)}`;
}
