import { allow, noOpinion, type Authorizer } from './authorizer.js';

/**
 * Allows everything to the members of some groups, `system:masters` above all: they must get in while no
 * policy can be read. Looks at the caller's own groups alone; a warrant cannot bring one. An empty name, as a
 * list flag or an unset variable leaves it, is no group.
 */
export function alwaysAllowGroups(groups: readonly string[]): Authorizer {
  const privileged = new Set(groups.filter((group) => group !== ''));
  return {
    name: 'AlwaysAllowGroups',
    authorize({ identity }) {
      const group = identity.groups.find((candidate) => privileged.has(candidate));
      return group === undefined ? noOpinion() : allow(`always allowed to group ${JSON.stringify(group)}`);
    },
  };
}
