import { type ClusterRoleBinding, describeSubject } from '../../policy/objects.js';
import type { Policy } from '../../policy/policy.js';
import { finding, type Finding } from './finding.js';
import type { BindingInLayer, ShardLevelBinding } from './shard-level-bindings.js';
import { isEverybody, matchFault, type Callers } from './subject-match.js';

/** Bindings that grant nothing, because their role stands nowhere. Walks the whole policy. */
export function danglingBindingFindings(policy: Policy): readonly Finding[] {
  return [...policy.danglingBindings()].flatMap((found) =>
    found === undefined
      ? []
      : [
          finding(
            'warning',
            'dangling-binding',
            describeBinding(found),
            `names ClusterRole ${JSON.stringify(found.binding.role)}, which is missing: create it, or remove the binding, which grants nothing`,
          ),
        ],
  );
}

/** Of rbac/api-access/replicate.yaml: grants a scrape only because an API server asks for it before it lets bind. */
const replicatorRole = 'kcp-metrics-filter:replicate';

/**
 * Of bindings that grant a shard-level path in kcp's root workspace: those that no other shard gets to know.
 * Administrators' are left out, since replicated they would grant everything everywhere.
 */
export function unreplicatedBindingFindings(bindings: readonly ShardLevelBinding[]): readonly Finding[] {
  return bindings
    .filter(
      ({ binding, isForAdministrators }) =>
        !binding.replicated &&
        !isForAdministrators &&
        binding.role !== replicatorRole &&
        binding.subjects.length > 0,
    )
    .map((found) =>
      finding(
        'warning',
        'unreplicated-binding',
        describeBinding(found),
        'counts on the root shard alone; the other shards read the cache server, do not find it there and answer 403: annotate it with internal.kcp.io/replicate: "true" (kcp-metrics-filter replicate does, where its role grants nothing but to read metrics)',
      ),
    );
}

/** Of bindings that grant a shard-level path: subjects that nobody is, and those that everybody is. */
export function subjectFindings(bindings: readonly BindingInLayer[], callers: Callers): readonly Finding[] {
  return bindings.flatMap((found) =>
    found.binding.subjects.flatMap((subject) => {
      const fault = matchFault(subject, callers);
      // The reading of manifests tells of it already, with its line.
      const isTold = fault === 'has no namespace' && found.binding.origin !== undefined;
      if (fault !== undefined) {
        return isTold
          ? []
          : [
              finding(
                'warning',
                'unmatched-subject',
                describeBinding(found),
                `${describeSubject(subject)} ${fault}: nobody is granted anything by it`,
              ),
            ];
      }
      return isEverybody(subject)
        ? [
            finding(
              'warning',
              'anonymous-access',
              describeBinding(found),
              `${describeSubject(subject)} is everybody without credentials: all who reach the server may read metrics; remove the subject unless that is meant`,
            ),
          ]
        : [];
    }),
  );
}

/** Where it stands, if that is known, or else which source it comes from. */
export function describeBinding({ layer, binding }: BindingInLayer): string {
  return `${binding.origin ?? layer}: ${nameOf(binding)}`;
}

function nameOf({ name }: ClusterRoleBinding): string {
  return `ClusterRoleBinding ${JSON.stringify(name)}`;
}
