import { shardLevelGrants } from '../../authorization/shard-level-grants.js';
import type { ClusterRoleBinding } from '../../policy/objects.js';
import type { Policy } from '../../policy/policy.js';

export interface BindingInLayer {
  readonly layer: string;
  readonly binding: ClusterRoleBinding;
}

export interface ShardLevelBinding extends BindingInLayer {
  /** Grants every verb on every path: made for administrators, not for metrics. */
  readonly isForAdministrators: boolean;
}

/** A request that a role of the policy would grant. */
interface Question {
  readonly verb: string;
  readonly path: string;
}

/** Each is asked of every binding; nobody writes so many rules for metrics by hand. */
const maxQuestions = 64;

/** Everything in force that grants anything on `/metrics` or below, each binding once. Walks the whole policy. */
export function shardLevelBindings(policy: Policy): readonly ShardLevelBinding[] {
  const found = new Map<ClusterRoleBinding, BindingInLayer>();
  for (const { verb, path } of questionsAbout(policy)) {
    for (const bound of policy.grantsOf(verb, path)) found.set(bound.binding, bound);
  }
  const administrators = new Set([...policy.grantsOf(unheardOf, unheardOf)].map(({ binding }) => binding));
  return [...found.values()].map((bound) => ({
    ...bound,
    isForAdministrators: administrators.has(bound.binding),
  }));
}

/** Who is granted what nobody has a word for is granted everything. */
const unheardOf = 'any verb, any path';

/** One for each rule that says something of a shard-level path. */
function questionsAbout(policy: Policy): readonly Question[] {
  const questions = new Map<string, Question>();
  for (const { layer } of policy.status()) {
    for (const object of policy.objects(layer)) {
      if (object.kind !== 'ClusterRole') continue;
      for (const { url, verbs } of shardLevelGrants(object.rules)) {
        const path = shardLevelPathOf(url);
        for (const granted of verbs) {
          const verb = granted === '*' ? 'get' : granted;
          if (questions.size < maxQuestions) questions.set(JSON.stringify([verb, path]), { verb, path });
        }
      }
    }
  }
  return [...questions.values()];
}

/** A shard-level path that the pattern matches: the shortest. */
function shardLevelPathOf(pattern: string): string {
  const prefix = pattern.replace(/\*$/, '');
  return '/metrics'.startsWith(prefix) ? '/metrics' : prefix;
}
