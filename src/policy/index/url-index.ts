import { isResourcePath } from '../../paths/always-allow.js';
import type { Grants, RoleReference, VerbsByUrl } from './roles.js';

/** The roles that a URL pattern stands in, with the verbs they grant on it. */
export interface RolesByPattern extends Iterable<readonly [RoleReference, ReadonlySet<string>]> {
  readonly size: number;
  get(reference: RoleReference): ReadonlySet<string> | undefined;
}

/** There may be as many patterns as roles, and a map of one entry takes five times the memory. */
type PatternTable = Map<string, OneRole | Map<RoleReference, ReadonlySet<string>>>;

const maxRememberedPaths = 64;
const maxRememberedLength = 256;

/**
 * Which roles say anything about a path. Looking a path up costs one step for each length that prefixes have
 * in the policy, never one for each role or binding.
 */
export class UrlIndex {
  readonly #exact: PatternTable = new Map();
  readonly #prefix: PatternTable = new Map();
  readonly #prefixLengths = new PrefixLengths();
  /** Bounded, since anyone may ask for any path; dropped when a pattern comes or goes. */
  readonly #remembered = new Map<string, readonly RolesByPattern[]>();

  add(reference: RoleReference, grants: Grants): void {
    this.#addAll(this.#exact, reference, grants.exact);
    for (const prefix of this.#addAll(this.#prefix, reference, grants.prefix)) {
      this.#prefixLengths.add(prefix.length);
    }
  }

  remove(reference: RoleReference, grants: Grants): void {
    this.#removeAll(this.#exact, reference, grants.exact);
    for (const prefix of this.#removeAll(this.#prefix, reference, grants.prefix)) {
      this.#prefixLengths.remove(prefix.length);
    }
  }

  /** `byName`: no patterns count. */
  rolesFor(path: string, byName = false): readonly RolesByPattern[] {
    if (byName) {
      const exact = this.#exact.get(path);
      return exact === undefined ? [] : [exact];
    }
    const known = this.#remembered.get(path);
    if (known !== undefined) return known;
    const found = this.#find(path);
    if (path.length <= maxRememberedLength) {
      if (this.#remembered.size >= maxRememberedPaths) this.#remembered.clear();
      this.#remembered.set(path, found);
    }
    return found;
  }

  #find(path: string): readonly RolesByPattern[] {
    const found: RolesByPattern[] = [];
    const exact = this.#exact.get(path);
    if (exact !== undefined) found.push(exact);
    // A rule on `/api/*` lets everybody discover resources; it names no path of a backend that looks like one.
    if (isResourcePath(path)) return found;
    for (const length of this.#prefixLengths.ascending) {
      if (length > path.length) break;
      const roles = this.#prefix.get(path.slice(0, length));
      if (roles !== undefined) found.push(roles);
    }
    return found;
  }

  /** Returns the patterns that are new to the table. */
  #addAll(table: PatternTable, reference: RoleReference, grants: VerbsByUrl): readonly string[] {
    const added: string[] = [];
    let isReplaced = false;
    for (const [url, verbs] of grants) {
      const roles = table.get(url);
      if (roles === undefined) {
        table.set(url, new OneRole(reference, verbs));
        added.push(url);
      } else if (roles instanceof Map) roles.set(reference, verbs);
      else if (roles.reference === reference) roles.verbs = verbs;
      else {
        table.set(url, new Map([...roles, [reference, verbs]]));
        isReplaced = true;
      }
    }
    if (added.length > 0 || isReplaced) this.#remembered.clear();
    return added;
  }

  /** Returns the patterns that are in the table no more. */
  #removeAll(table: PatternTable, reference: RoleReference, grants: VerbsByUrl): readonly string[] {
    const removed: string[] = [];
    for (const [url] of grants) {
      const roles = table.get(url);
      if (roles instanceof Map) {
        roles.delete(reference);
        if (roles.size > 0) continue;
      } else if (roles?.reference !== reference) continue;
      table.delete(url);
      removed.push(url);
    }
    if (removed.length > 0) this.#remembered.clear();
    return removed;
  }
}

class OneRole implements RolesByPattern {
  constructor(
    readonly reference: RoleReference,
    public verbs: ReadonlySet<string>,
  ) {}

  get size(): number {
    return 1;
  }

  get(reference: RoleReference): ReadonlySet<string> | undefined {
    return reference === this.reference ? this.verbs : undefined;
  }

  *[Symbol.iterator](): Generator<readonly [RoleReference, ReadonlySet<string>], void, undefined> {
    yield [this.reference, this.verbs];
  }
}

/** Which lengths the prefixes have; a change costs the number of lengths, not that of prefixes. */
class PrefixLengths {
  ascending: readonly number[] = [];
  readonly #counts = new Map<number, number>();

  add(length: number): void {
    const count = this.#counts.get(length) ?? 0;
    this.#counts.set(length, count + 1);
    if (count > 0) return;
    const at = this.ascending.findIndex((known) => known > length);
    this.ascending = this.ascending.toSpliced(at === -1 ? this.ascending.length : at, 0, length);
  }

  remove(length: number): void {
    const count = this.#counts.get(length) ?? 0;
    if (count > 1) this.#counts.set(length, count - 1);
    else if (this.#counts.delete(length)) this.ascending = this.ascending.filter((known) => known !== length);
  }
}
