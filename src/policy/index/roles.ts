import { runAll } from '../../time-slice.js';
import type { PolicyRule } from '../objects.js';

/** Verbs by path or prefix; `*` among the verbs means all. */
export type VerbsByUrl = readonly (readonly [url: string, verbs: ReadonlySet<string>])[];

/** What a role grants on paths. */
export interface Grants {
  readonly exact: VerbsByUrl;
  /** Keyed by the prefix, without its stars; the empty prefix matches every path. */
  readonly prefix: VerbsByUrl;
}

const nothing: VerbsByUrl = Object.freeze([]);

export const noGrants: Grants = Object.freeze({ exact: nothing, prefix: nothing });

/**
 * Kubernetes' reading of nonResourceURLs: a URL ending in `*` is a prefix, whatever number of stars it ends
 * in; any other is matched whole, case-sensitively, with no further wildcard.
 */
export function grantsOf(rules: readonly PolicyRule[]): Grants {
  return runAll(grantsInSteps(rules));
}

/** The same in steps of one URL. */
export function* grantsInSteps(rules: readonly PolicyRule[]): Generator<undefined, Grants, undefined> {
  if (rules.length === 0) return noGrants;
  const exact = new Map<string, Set<string>>();
  const prefix = new Map<string, Set<string>>();
  for (const rule of rules) {
    for (const url of rule.nonResourceURLs) {
      if (url.endsWith('*')) addVerbs(prefix, withoutTrailingStars(url), rule.verbs);
      else addVerbs(exact, url, rule.verbs);
      yield;
    }
  }
  return internedGrants({ exact: yield* listed(exact), prefix: yield* listed(prefix) });
}

/** Rules that grant the same. */
export function rulesOf({ exact, prefix }: Grants): readonly PolicyRule[] {
  return [
    ...exact.map(([url, verbs]) => ({ verbs: [...verbs], nonResourceURLs: [url] })),
    ...prefix.map(([url, verbs]) => ({ verbs: [...verbs], nonResourceURLs: [`${url}*`] })),
  ];
}

export function coversVerb(verbs: ReadonlySet<string>, verb: string): boolean {
  return verbs.has(verb) || verbs.has('*');
}

/** Lists, since there may be many roles and a map is large; no URL is looked up here. */
function* listed(
  verbsByUrl: ReadonlyMap<string, ReadonlySet<string>>,
): Generator<undefined, VerbsByUrl, undefined> {
  if (verbsByUrl.size === 0) return nothing;
  const list: VerbsByUrl[number][] = [];
  for (const [url, verbs] of verbsByUrl) {
    list.push([url, internedVerbs(verbs)]);
    yield;
  }
  // Without the room that `push` leaves for more.
  return list.slice();
}

/** One set a URL, however many rules name it: a role may be made of thousands. */
function addVerbs(byUrl: Map<string, Set<string>>, url: string, verbs: readonly string[]): void {
  const known = byUrl.get(url);
  if (known === undefined) byUrl.set(url, new Set(verbs));
  else for (const verb of verbs) known.add(verb);
}

const maxInterned = 256;
const maxInternedVerbs = 16;
const verbsByKey = new Map<string, ReadonlySet<string>>();

/** Roles by the thousand name the same few verbs: they share one set, which saves memory and time. */
function internedVerbs(verbs: ReadonlySet<string>): ReadonlySet<string> {
  if (verbs.size > maxInternedVerbs) return verbs;
  const key = JSON.stringify([...verbs]);
  const known = verbsByKey.get(key);
  if (known !== undefined) return known;
  if (verbsByKey.size < maxInterned) verbsByKey.set(key, verbs);
  return verbs;
}

const maxInternedUrls = 4;
const maxKeyLength = 1024;
const grantsByKey = new Map<string, Grants>();

/** Roles by the thousand grant the same on the same few paths: they hold one object between them. */
function internedGrants(grants: Grants): Grants {
  const { exact, prefix } = grants;
  if (exact.length + prefix.length > maxInternedUrls) return grants;
  let key = '';
  for (const [url, verbs] of exact) key += JSON.stringify([url, ...verbs]);
  for (const [url, verbs] of prefix) key += JSON.stringify([`${url}*`, ...verbs]);
  const known = grantsByKey.get(key);
  if (known !== undefined) return known;
  if (key.length > maxKeyLength) return grants;
  if (grantsByKey.size >= maxInterned) grantsByKey.clear();
  grantsByKey.set(key, grants);
  return grants;
}

function withoutTrailingStars(url: string): string {
  let end = url.length;
  while (url.endsWith('*', end) && end > 0) end -= 1;
  return url.slice(0, end);
}

/** A layer of the policy, as a reference sees it. */
export interface LayerOfReference {
  readonly name: string;
  readonly roles: ReadonlyMap<string, Grants>;
  readonly force: Force;
}

/** Whether decisions are made on a layer: an object of its own, so that a decision need not read the layer. */
export interface Force {
  isOn: boolean;
}

/**
 * The place that bindings of one layer and one role name share. Bindings point here and rules are looked up
 * here, so that a changed role costs as much as its rules, however many bindings name it.
 */
export class RoleReference {
  grants: Grants = noGrants;
  bindings = 0;
  readonly #force: Force;
  /** Of the layer that has the role; undefined where none has. */
  #roleForce: Force | undefined;

  constructor(
    /** Whose bindings point here. */
    readonly layer: LayerOfReference,
    readonly role: string,
  ) {
    this.#force = layer.force;
  }

  /** Takes the role from a layer; from none where there is no such role. */
  resolve(provider: LayerOfReference | undefined): void {
    this.#roleForce = provider?.force;
    this.grants = provider?.roles.get(this.role) ?? noGrants;
  }

  /** Whether some layer has a role of this name. */
  get resolved(): boolean {
    return this.#roleForce !== undefined;
  }

  /** Whether both are in force, the layer with the bindings and that with the role. */
  get inForce(): boolean {
    return this.#force.isOn && this.#roleForce?.isOn === true;
  }
}
