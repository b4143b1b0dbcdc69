import type { Identity } from '../authentication/identity.js';
import { quoted } from '../options/option-kinds.js';
import { isResourcePath } from '../paths/always-allow.js';
import { effectiveIdentities } from '../policy/index/effective-identities.js';
import { coversVerb, rulesOf } from '../policy/index/roles.js';
import { describeSubject } from '../policy/objects.js';
import type { BindingOfCaller, Policy } from '../policy/policy.js';

/** Kubernetes' verbs of requests for paths. */
export const requestVerbs: readonly string[] = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'];

/** Why no request can ever match the question; undefined if one can. */
export function neverAsked(verb: string, path: string, isOfGateway: boolean): string | undefined {
  const lower = verb.toLowerCase();
  if (!requestVerbs.includes(verb)) {
    const advice = requestVerbs.includes(lower)
      ? `, which is ${lower} in RBAC`
      : `: they are ${requestVerbs.join(', ')}`;
    return `verb ${quoted(verb)} never matches: it is no method of a request${advice}`;
  }
  if (!path.startsWith('/')) return `path ${quoted(path)} never matches: a path begins with /`;
  if (path.includes('?')) return `path ${quoted(path)}: the query is no part of what is authorized`;
  const isOfResources = !isOfGateway && isResourcePath(path);
  return isOfResources
    ? `path ${quoted(path)} is one of resources, which no rule on paths grants`
    : undefined;
}

/** Groups whose bindings say nothing about this caller. */
const everyone = /^system:(?:un)?authenticated$/;
/** Bindings and URLs that are named. */
const maxNamed = 3;
const maxNames = 10;

/**
 * Why RBAC does not grant it: what is bound to the caller's names, and what that lacks. It walks the whole policy, once,
 * and stays short.
 */
export function whyNot(policy: Policy, identity: Identity, verb: string, path: string): string {
  const identities = effectiveIdentities(identity, 'root') ?? [];
  const named: string[] = [];
  let count = 0;
  let ofEveryone = 0;
  for (const bound of policy.bindingsOf(identities)) {
    if (everyone.test(bound.subject.name)) {
      ofEveryone += 1;
      continue;
    }
    count += 1;
    if (count <= maxNamed) named.push(lackOf(bound, verb, path));
  }
  if (count > 0) {
    const more = count > maxNamed ? [`${count - maxNamed} more bindings do not grant it either`] : [];
    return `RBAC: ${[...named, ...more].join('; ')}`;
  }
  const names = identities.flatMap(({ name, groups }) => {
    const own = groups.filter((group) => group !== '' && !everyone.test(group));
    return [`User ${quoted(name)}`, ...own.map((group) => `Group ${quoted(group)}`)];
  });
  const shown = [...new Set(names)];
  const others = shown.length > maxNames ? ` and ${shown.length - maxNames} more` : '';
  const besides = ofEveryone > 0 ? '; what is bound to everyone does not grant it' : '';
  return `RBAC: no ClusterRoleBinding names ${shown.slice(0, maxNames).join(', ')}${others}${besides}`;
}

function lackOf({ binding, subject, grants }: BindingOfCaller, verb: string, path: string): string {
  const by = `ClusterRoleBinding ${quoted(binding.name)} binds ${describeSubject(subject)} to ClusterRole ${quoted(binding.role)}`;
  if (grants === undefined) return `${by}, which does not exist`;
  const rules = rulesOf(grants);
  if (rules.length === 0) return `${by}, which grants no paths`;
  const matching = rules.find(({ nonResourceURLs: [url = ''] }) =>
    url.endsWith('*') ? path.startsWith(url.slice(0, -1)) && !isResourcePath(path) : url === path,
  );
  if (matching !== undefined && coversVerb(new Set(matching.verbs), verb)) {
    return `${by}, which grants ${quoted(path)} by a pattern, and a path like this has to be named`;
  }
  if (matching !== undefined) {
    return `${by}, which grants ${quoted(path)} for ${matching.verbs.slice(0, maxNamed).join(', ')} but not ${verb}`;
  }
  const urls = rules.slice(0, maxNamed).flatMap(({ nonResourceURLs }) => nonResourceURLs);
  const more = rules.length > maxNamed ? ` and ${rules.length - maxNamed} more` : '';
  return `${by}, which grants only ${urls.map(quoted).join(', ')}${more}`;
}
