import type { RoleReference } from './role-reference.js';
import type { Grants, VerbsByUrl } from './rules.js';

/** The roles that a URL pattern stands in, with the verbs they grant on it. */
export type RolesByPattern = ReadonlyMap<RoleReference, ReadonlySet<string>>;

type PatternTable = Map<string, Map<RoleReference, ReadonlySet<string>>>;

const maxRememberedPaths = 64;
const maxRememberedLength = 256;

/**
 * Which roles say anything about a path. Looking a path up costs one step for each length that prefixes have
 * in the policy, never one for each role or binding.
 */
export class UrlIndex {
  readonly #exact: PatternTable = new Map();
  readonly #prefix: PatternTable = new Map();
  #prefixLengths: readonly number[] = [];
  /** Bounded, since anyone may ask for any path; dropped when a pattern comes or goes. */
  readonly #remembered = new Map<string, readonly RolesByPattern[]>();

  add(reference: RoleReference, grants: Grants): void {
    this.#addAll(this.#exact, reference, grants.exact);
    this.#addAll(this.#prefix, reference, grants.prefix);
  }

  remove(reference: RoleReference, grants: Grants): void {
    this.#removeAll(this.#exact, reference, grants.exact);
    this.#removeAll(this.#prefix, reference, grants.prefix);
  }

  rolesFor(path: string): readonly RolesByPattern[] {
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
    for (const length of this.#prefixLengths) {
      if (length > path.length) break;
      const roles = this.#prefix.get(path.slice(0, length));
      if (roles !== undefined) found.push(roles);
    }
    return found;
  }

  #addAll(table: PatternTable, reference: RoleReference, grants: VerbsByUrl): void {
    for (const [url, verbs] of grants) {
      let roles = table.get(url);
      if (roles === undefined) {
        roles = new Map();
        table.set(url, roles);
        this.#patternsChanged();
      }
      roles.set(reference, verbs);
    }
  }

  #removeAll(table: PatternTable, reference: RoleReference, grants: VerbsByUrl): void {
    for (const url of grants.keys()) {
      const roles = table.get(url);
      roles?.delete(reference);
      if (roles?.size !== 0) continue;
      table.delete(url);
      this.#patternsChanged();
    }
  }

  #patternsChanged(): void {
    this.#remembered.clear();
    const lengths = new Set([...this.#prefix.keys()].map((prefix) => prefix.length));
    this.#prefixLengths = [...lengths].sort((a, b) => a - b);
  }
}
