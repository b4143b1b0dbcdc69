import type { ScrapeRequest } from '../../exposition.js';
import { IdentityHeadersError } from '../../exposition-errors.js';
import { fieldNameFault } from './upstream-field.js';

/** In which header fields an upstream is told who scrapes, as kube-rbac-proxy names them. */
export interface IdentityHeaders {
  /** Default `x-remote-user`. */
  readonly userField?: string;
  /** Default `x-remote-groups`. */
  readonly groupsField?: string;
  /** Stands between two groups; of printable ASCII, at most 8 characters. Default `|`. */
  readonly groupsSeparator?: string;
}

export type IdentityFields =
  | { readonly kind: 'fields'; readonly fields: Readonly<Record<string, string>> }
  /** Said in other words he would be somebody else; the fault names neither him nor his groups. */
  | { readonly kind: 'unspeakable'; readonly fault: string };

/** What an upstream is told of who scrapes: nothing where nobody was asked who he is. */
export type IdentityWriter = (user: ScrapeRequest['user']) => IdentityFields;

/** More than servers take of a field. */
const maxFieldBytes = 32 * 1024;

/**
 * Beyond ASCII, one program would read bytes as Latin-1 and the other as UTF-8, and so another name; blanks at the ends
 * are cut off on the way (RFC 9110, 5.5).
 */
const speakable = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** Of the header fields, where there are some. */
export function identityFieldNames(options: IdentityHeaders | undefined): readonly string[] {
  if (options === undefined) return [];
  const { userField = 'x-remote-user', groupsField = 'x-remote-groups' } = options;
  return [userField, groupsField];
}

/** @throws IdentityHeadersError */
export function identityWriter(options: IdentityHeaders = {}): IdentityWriter {
  const { userField = 'x-remote-user', groupsField = 'x-remote-groups', groupsSeparator = '|' } = options;
  requireField('userField', userField);
  requireField('groupsField', groupsField);
  if (userField.toLowerCase() === groupsField.toLowerCase()) {
    throw new IdentityHeadersError('groupsField', 'is also the field of the user');
  }
  if (!/^[\x20-\x7e]{1,8}$/.test(groupsSeparator)) {
    throw new IdentityHeadersError('groupsSeparator', 'must be 1 to 8 characters of printable ASCII');
  }
  return (user) => {
    if (user === undefined) return { kind: 'fields', fields: {} };
    if (!speakable.test(user.name)) return unspeakable("the scraper's name cannot stand in a header");
    if (!user.groups.every((group) => speakable.test(group))) {
      return unspeakable("one of the scraper's groups cannot stand in a header");
    }
    const groups = user.groups.join(groupsSeparator);
    // A group `a|b` must not be read as two.
    if (!isSame(groups === '' ? [] : groups.split(groupsSeparator), user.groups)) {
      return unspeakable("one of the scraper's groups holds the separator");
    }
    if (user.name.length > maxFieldBytes || groups.length > maxFieldBytes) {
      return unspeakable(`the scraper's name or groups are longer than ${maxFieldBytes} bytes`);
    }
    return { kind: 'fields', fields: { [userField]: user.name, [groupsField]: groups } };
  };
}

function requireField(option: 'userField' | 'groupsField', name: string): void {
  const fault = fieldNameFault(name);
  if (fault !== undefined) throw new IdentityHeadersError(option, fault);
}

function unspeakable(fault: string): IdentityFields {
  return { kind: 'unspeakable', fault };
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, at) => item === b[at]);
}
