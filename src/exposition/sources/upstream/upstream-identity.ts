import { IdentityHeadersError, NoTenantError, TenantHeadersError } from '../../exposition-errors.js';
import type { ScrapeRequest, ScrapingUser } from '../../exposition.js';

/** In which header fields an upstream is told who scrapes, as kube-rbac-proxy names them. */
export interface IdentityHeaders {
  /** Default `x-remote-user`. */
  readonly userField?: string;
  /** Default `x-remote-groups`. */
  readonly groupsField?: string;
  /** Stands between two groups; of printable ASCII, at most 8 characters. Default `|`. */
  readonly groupsSeparator?: string;
}

/** What says which tenant's metrics a scraper reads. */
export type TenantSource =
  /** The user's name, which of a certificate is its common name; never `system:anonymous`. */
  | { readonly kind: 'name' }
  /** The rest of the one group of theirs that begins so. */
  | { readonly kind: 'group'; readonly prefix: string }
  /** The one value of this extra of theirs. */
  | { readonly kind: 'extra'; readonly key: string };

/** In which header field an upstream is told the scraper's tenant. */
export interface TenantHeader {
  readonly field: string;
  readonly source: TenantSource;
}

/**
 * What an upstream is told of the scraper: nothing without authentication. A fault where that cannot be written
 * without ambiguity; it names neither the scraper nor their groups.
 */
type IdentityWriter = (
  user: ScrapeRequest['user'],
) =>
  | { readonly fields: Readonly<Record<string, string>>; readonly fault?: undefined }
  | { readonly fields?: undefined; readonly fault: string };

/** The fields that tell the tenant. @throws NoTenantError */
type TenantWriter = (user: ScrapeRequest['user']) => Readonly<Record<string, string>>;

/** A field name (RFC 9110, 5.6.2). */
const fieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

/** Fields that have another meaning to the upstream, or to a proxy on the way. */
const takenFields: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'authorization',
  'connection',
  'content-length',
  'cookie',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'x-prometheus-scrape-timeout-seconds',
]);

/** More than servers take of a field. */
const maxFieldBytes = 32 * 1024;

/**
 * Beyond ASCII, one program would read bytes as Latin-1 and the other as UTF-8, and so another name; blanks at the ends
 * are cut off on the way (RFC 9110, 5.5).
 */
const safeInHeader = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/**
 * One word that means the same to every reader: backends take `a|b` or `a,b` for two tenants, `*` for all, and `..` for
 * another folder.
 */
const plainTenant = /^[A-Za-z0-9](?:[A-Za-z0-9_.:@-]{0,254}[A-Za-z0-9])?$/;

/** As Kubernetes spells them. */
const anonymousName = 'system:anonymous';
const credentialIdKey = 'authentication.kubernetes.io/credential-id';
/** Each scraper is in one of them, so that a prefix of theirs would make all of them one tenant. */
const groupsOfEverybody = ['system:authenticated', 'system:unauthenticated'];

/** Of the header fields, where there are some. */
export function identityFieldNames(options: IdentityHeaders | undefined): readonly string[] {
  if (options === undefined) return [];
  const { userField = 'x-remote-user', groupsField = 'x-remote-groups' } = options;
  return [userField, groupsField];
}

/** @throws IdentityHeadersError */
export function identityWriter(options: IdentityHeaders = {}): IdentityWriter {
  const { userField = 'x-remote-user', groupsField = 'x-remote-groups', groupsSeparator = '|' } = options;
  const check = (option: keyof IdentityHeaders, fault: string | undefined): void => {
    if (fault !== undefined) throw new IdentityHeadersError(option, fault);
  };
  check('userField', fieldNameFault(userField));
  check('groupsField', fieldNameFault(groupsField));
  if (userField.toLowerCase() === groupsField.toLowerCase()) {
    throw new IdentityHeadersError('groupsField', 'is also the field of the user');
  }
  if (!/^[\x20-\x7e]{1,8}$/.test(groupsSeparator)) {
    throw new IdentityHeadersError('groupsSeparator', 'must be 1 to 8 characters of printable ASCII');
  }
  return (user) => {
    if (user === undefined) return { fields: {} };
    const { name } = user;
    const groups = user.groups.join(groupsSeparator);
    if (!safeInHeader.test(name)) return { fault: "the scraper's name cannot stand in a header" };
    if (!user.groups.every((group) => safeInHeader.test(group))) {
      return { fault: "one of the scraper's groups cannot stand in a header" };
    }
    // A group `a|b` must not be read as two.
    if (!isSame(groups === '' ? [] : groups.split(groupsSeparator), user.groups)) {
      return { fault: "one of the scraper's groups holds the separator" };
    }
    if (name.length > maxFieldBytes || groups.length > maxFieldBytes) {
      return { fault: `the scraper's name or groups are longer than ${maxFieldBytes} bytes` };
    }
    return { fields: { [userField]: name, [groupsField]: groups } };
  };
}

/** `others`: fields in which the upstream is told something else. @throws TenantHeadersError */
export function tenantWriter(headers: readonly TenantHeader[], others: readonly string[] = []): TenantWriter {
  if (headers.length === 0) throw new TenantHeadersError('no header is named that would tell a tenant');
  const taken = new Set(others.map((field) => field.toLowerCase()));
  for (const { field, source } of headers) {
    const fault = fieldNameFault(field) ?? sourceFault(source);
    if (fault !== undefined) throw new TenantHeadersError(fault);
    if (taken.has(field.toLowerCase())) throw new TenantHeadersError(`${field} would be sent twice`);
    taken.add(field.toLowerCase());
  }
  return (user) => Object.fromEntries(headers.map(({ field, source }) => [field, tenantOf(user, source)]));
}

/** Why this cannot tell a scraper's tenant; undefined where it can. */
function sourceFault(source: TenantSource): string | undefined {
  switch (source.kind) {
    case 'name':
      return undefined;
    case 'group':
      if (source.prefix === '') return 'the prefix of a group is empty';
      return groupsOfEverybody.some((group) => group.startsWith(source.prefix))
        ? `every user is in a group that begins with ${JSON.stringify(source.prefix)}`
        : undefined;
    case 'extra':
      if (source.key === '') return 'the key of an extra is empty';
      return source.key === credentialIdKey
        ? `${JSON.stringify(source.key)} is the id of a credential, not of a tenant`
        : undefined;
  }
}

function tenantOf(user: ScrapingUser | undefined, source: TenantSource): string {
  const { kind } = source;
  if (user === undefined) throw new NoTenantError('unasked', 'the scraper was not authenticated');
  const [found, ...others] = new Set(valuesOf(user, source));
  if (found === undefined) throw new NoTenantError('none', `the scraper has no ${kind} that says it`);
  if (others.length > 0) {
    throw new NoTenantError('several', `the scraper has more than one ${kind} that says it`);
  }
  if (!plainTenant.test(found))
    throw new NoTenantError('malformed', `the scraper's ${kind} is not one plain word`);
  return found;
}

function valuesOf(user: ScrapingUser, source: TenantSource): readonly string[] {
  switch (source.kind) {
    case 'name':
      return user.name === anonymousName ? [] : [user.name];
    case 'group': {
      const { prefix } = source;
      return user.groups
        .filter((group) => group.startsWith(prefix))
        .map((group) => group.slice(prefix.length));
    }
    case 'extra': {
      const { extra = {} } = user;
      return Object.hasOwn(extra, source.key) ? (extra[source.key] ?? []) : [];
    }
  }
}

/** Why an upstream cannot be told anything in a header field of this name; undefined where it can. */
function fieldNameFault(name: string): string | undefined {
  if (!fieldName.test(name)) return `${JSON.stringify(name)} is not a header field name`;
  return takenFields.has(name.toLowerCase()) ? `${JSON.stringify(name)} has another meaning` : undefined;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, at) => item === b[at]);
}
