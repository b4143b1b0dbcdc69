import { hashOf, NameTable } from '../../name-table.js';
import { isResourcePath } from '../../paths/always-allow.js';
import { subjectKey, type ClusterRoleBinding, type Subject, type SubjectKey } from '../objects.js';
import type { EffectiveIdentity } from './effective-identities.js';
import { coversVerb, type RoleReference, type VerbsByUrl } from './roles.js';
import { UrlIndex, type RolesByPattern } from './url-index.js';

/** One binding of one of its subjects to a role. */
export interface SubjectBinding {
  readonly binding: ClusterRoleBinding;
  readonly subject: Subject;
  readonly reference: RoleReference;
}

/** What binds a subject to one role: nearly always one binding. */
type BindingsToRole = SubjectBinding | Map<ClusterRoleBinding, SubjectBinding>;

/** What binds a subject to roles: nearly always one binding, which then stands here itself, without a map. */
type BindingsOfSubject = SubjectBinding | Map<RoleReference, BindingsToRole>;

/** Users and groups have separate name spaces. They are numbers, since to look a space up by its name takes long. */
const [users, groups] = [0, 1];

function spaceOf(kind: SubjectKey['kind']): number {
  return kind === 'user' ? users : groups;
}

/** To go through more rows takes longer than to look a name up in a table. */
const maxRows = 32;
const rowLength = 4;

/**
 * The bindings of all users and groups. A policy with few of them, as there may be in each of ten thousand workspaces,
 * has them side by side in one array: reading memory that is in no cache takes longer than all else in a decision.
 */
export class SubjectTable {
  /** Of each subject and binding: a hash of the name, the name, the role's reference and the binding. */
  #rows: (number | string | RoleReference | SubjectBinding)[] = [];
  /** What `marksOf` gives for the names of users and of groups. */
  #userMarks = 0;
  #groupMarks = 0;
  /** In place of the rows, where there are many. */
  #many: NameTable<BindingsOfSubject> | undefined;

  constructor(readonly search: GrantSearch) {}

  /** The binding that grants `verb` on `path` to one of the identities, if any does. `byName`: by no pattern. */
  findAny(
    identities: readonly EffectiveIdentity[],
    verb: string,
    path: string,
    byName = false,
  ): SubjectBinding | undefined {
    for (const identity of identities) {
      const found = this.#find(users, identity.name, verb, path, byName);
      if (found !== undefined) return found;
      for (const group of identity.groups) {
        const foundByGroup = this.#find(groups, group, verb, path, byName);
        if (foundByGroup !== undefined) return foundByGroup;
      }
    }
    return undefined;
  }

  #find(
    space: number,
    name: string,
    verb: string,
    path: string,
    byName: boolean,
  ): SubjectBinding | undefined {
    // Most of a caller's groups are in no binding, and a look-up has to hash the whole name.
    const marks = marksOf(name);
    if (((space === users ? this.#userMarks : this.#groupMarks) & marks) !== marks) return undefined;
    if (this.#many !== undefined) return this.search.find(this.#many.get(name, space), verb, path, byName);
    const rows = this.#rows;
    const hash = hashOf(name, space);
    for (let at = 0; at < rows.length; at += rowLength) {
      const isIt = rows[at] === hash && rows[at + 1] === name;
      if (isIt && this.search.grants(rows[at + 2] as RoleReference, verb, path, byName))
        return rows[at + 3] as SubjectBinding;
    }
    return undefined;
  }

  /** A subject that stands in one binding several times is bound once. */
  add(key: SubjectKey, added: SubjectBinding): void {
    this.#mark(key);
    if (this.#many === undefined && this.#rows.length < maxRows * rowLength) {
      if (this.#rowOf(key, added) !== -1) return;
      this.#rows.push(hashOf(key.name, spaceOf(key.kind)), key.name, added.reference, added);
      return;
    }
    if (this.#many === undefined) {
      this.#many = new NameTable(2 * maxRows);
      for (let at = 3; at < this.#rows.length; at += rowLength) {
        const known = this.#rows[at] as SubjectBinding;
        const its = subjectKey(known.subject);
        if (its !== undefined) addTo(this.#many, its, known);
      }
      this.#rows = [];
    }
    addTo(this.#many, key, added);
  }

  remove(key: SubjectKey, removed: Omit<SubjectBinding, 'subject'>): void {
    if (this.#many !== undefined) {
      removeFrom(this.#many, key, removed);
      return;
    }
    const row = this.#rowOf(key, removed);
    if (row === -1) return;
    this.#rows.splice(row, rowLength);
    this.#userMarks = 0;
    this.#groupMarks = 0;
    for (let at = 3; at < this.#rows.length; at += rowLength) {
      const its = subjectKey((this.#rows[at] as SubjectBinding).subject);
      if (its !== undefined) this.#mark(its);
    }
  }

  #rowOf({ kind, name }: SubjectKey, { reference, binding }: Omit<SubjectBinding, 'subject'>): number {
    const hash = hashOf(name, spaceOf(kind));
    for (let at = 0; at < this.#rows.length; at += rowLength) {
      const isIt = this.#rows[at] === hash && this.#rows[at + 1] === name && this.#rows[at + 2] === reference;
      if (isIt && (this.#rows[at + 3] as SubjectBinding).binding === binding) return at;
    }
    return -1;
  }

  #mark({ kind, name }: SubjectKey): void {
    if (kind === 'user') this.#userMarks |= marksOf(name);
    else this.#groupMarks |= marksOf(name);
  }
}

function addTo(table: NameTable<BindingsOfSubject>, { kind, name }: SubjectKey, added: SubjectBinding): void {
  const known = table.get(name, spaceOf(kind));
  const { reference, binding } = added;
  if (known === undefined) table.set(name, added, spaceOf(kind));
  else if (known instanceof Map) known.set(reference, addBinding(known.get(reference), added));
  else if (known.reference !== reference || known.binding !== binding) {
    const both = new Map<RoleReference, BindingsToRole>([[known.reference, known]]);
    table.set(name, both.set(reference, addBinding(both.get(reference), added)), spaceOf(kind));
  }
}

function removeFrom(
  table: NameTable<BindingsOfSubject>,
  { kind, name }: SubjectKey,
  { reference, binding }: Omit<SubjectBinding, 'subject'>,
): void {
  const known = table.get(name, spaceOf(kind));
  if (known instanceof Map) {
    const bindings = known.get(reference);
    if (bindings instanceof Map) {
      bindings.delete(binding);
      if (bindings.size > 0) return;
    } else if (bindings?.binding !== binding) return;
    known.delete(reference);
    if (known.size > 0) return;
  } else if (known?.reference !== reference || known.binding !== binding) return;
  table.delete(name, spaceOf(kind));
}

/** One or two of 32 bits, by the length and three of the characters. */
function marksOf(name: string): number {
  const { length } = name;
  if (length === 0) return 1;
  const mixed =
    Math.imul(length, 0x9e3779b1) ^
    Math.imul(name.charCodeAt(0), 0x85ebca6b) ^
    Math.imul(name.charCodeAt(length >> 1), 0xc2b2ae35) ^
    Math.imul(name.charCodeAt(length - 1), 0x27d4eb2f);
  return (1 << (mixed >>> 27)) | (1 << ((mixed >>> 22) & 31));
}

/** Any one of the bindings to a role; for a decision they are all alike. */
function anyOf(bindings: BindingsToRole): SubjectBinding | undefined {
  if (!(bindings instanceof Map)) return bindings;
  for (const one of bindings.values()) return one;
  return undefined;
}

function addBinding(bindings: BindingsToRole | undefined, added: SubjectBinding): BindingsToRole {
  if (bindings === undefined) return added;
  if (bindings instanceof Map) return bindings.set(added.binding, added);
  return bindings.binding === added.binding
    ? bindings
    : new Map([
        [bindings.binding, bindings],
        [added.binding, added],
      ]);
}

/** Where a subject and a pattern both have more roles than this, what they share is looked up once. */
const many = 32;
const maxRemembered = 1024;

/** Up to this many paths of a role, or roles of a subject, are compared one by one, which is faster than a look-up. */
const few = 8;

/**
 * Finds what a subject's roles and a path's roles have in common. One of the two is short, or else the answer is
 * remembered until the policy changes, so that neither being long matters.
 */
export class GrantSearch {
  readonly urls = new UrlIndex();
  readonly #remembered = new Map<
    RolesByPattern,
    Map<BindingsOfSubject, Map<string, SubjectBinding | undefined>>
  >();
  #size = 0;

  /** The binding that grants `verb` on `path` to a subject, if any does. */
  find(
    subject: BindingsOfSubject | undefined,
    verb: string,
    path: string,
    byName: boolean,
  ): SubjectBinding | undefined {
    if (subject === undefined) return undefined;
    if (!(subject instanceof Map))
      return this.grants(subject.reference, verb, path, byName) ? subject : undefined;
    if (subject.size <= few) {
      for (const [reference, bindings] of subject) {
        if (this.grants(reference, verb, path, byName)) return anyOf(bindings);
      }
      return undefined;
    }
    for (const roles of this.urls.rolesFor(path, byName)) {
      const found = this.#findAmong(subject, roles, verb);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** To be called at every change. */
  forget(): void {
    if (this.#size === 0) return;
    this.#remembered.clear();
    this.#size = 0;
  }

  /** Whether a role grants `verb` on `path`; `byName`: by no pattern. */
  grants(reference: RoleReference, verb: string, path: string, byName: boolean): boolean {
    if (!reference.inForce) return false;
    const { exact, prefix } = reference.grants;
    return exact.length + prefix.length <= few
      ? grantsExactly(exact, verb, path) || (!byName && grantsByPrefix(prefix, verb, path))
      : this.urls.rolesFor(path, byName).some((roles) => grants(reference, roles.get(reference), verb));
  }

  #findAmong(
    subject: Map<RoleReference, BindingsToRole>,
    roles: RolesByPattern,
    verb: string,
  ): SubjectBinding | undefined {
    if (subject.size <= roles.size && subject.size <= many) return bySubject(subject, roles, verb);
    if (roles.size <= many) return byPattern(subject, roles, verb);
    const known = this.#remembered.get(roles)?.get(subject);
    if (known?.has(verb) === true) return known.get(verb);
    const found =
      subject.size < roles.size ? bySubject(subject, roles, verb) : byPattern(subject, roles, verb);
    if (this.#size >= maxRemembered) this.forget();
    const ofPattern = this.#remembered.get(roles) ?? new Map<BindingsOfSubject, Map<string, typeof found>>();
    const ofSubject = ofPattern.get(subject) ?? new Map<string, typeof found>();
    this.#remembered.set(roles, ofPattern.set(subject, ofSubject.set(verb, found)));
    this.#size += 1;
    return found;
  }
}

function grantsExactly(exact: VerbsByUrl, verb: string, path: string): boolean {
  for (const [url, verbs] of exact) if (url === path) return coversVerb(verbs, verb);
  return false;
}

function grantsByPrefix(prefix: VerbsByUrl, verb: string, path: string): boolean {
  for (const [url, verbs] of prefix)
    if (path.startsWith(url) && coversVerb(verbs, verb)) return !isResourcePath(path);
  return false;
}

function bySubject(
  subject: ReadonlyMap<RoleReference, BindingsToRole>,
  roles: RolesByPattern,
  verb: string,
): SubjectBinding | undefined {
  for (const [reference, bindings] of subject) {
    if (grants(reference, roles.get(reference), verb)) return anyOf(bindings);
  }
  return undefined;
}

function byPattern(
  subject: ReadonlyMap<RoleReference, BindingsToRole>,
  roles: RolesByPattern,
  verb: string,
): SubjectBinding | undefined {
  for (const [reference, verbs] of roles) {
    const bindings = subject.get(reference);
    if (bindings !== undefined && grants(reference, verbs, verb)) return anyOf(bindings);
  }
  return undefined;
}

function grants(reference: RoleReference, verbs: ReadonlySet<string> | undefined, verb: string): boolean {
  return verbs !== undefined && reference.inForce && coversVerb(verbs, verb);
}
