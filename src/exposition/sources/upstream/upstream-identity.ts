import {
  IdentityHeadersError,
  NoTenantError,
  TenantHeadersError,
  UpstreamError,
} from '../../exposition-errors.js';
import type { ScrapeRequest, ScrapingUser } from '../../exposition.js';

/** In which header fields an upstream is told who scrapes, as kube-rbac-proxy names them. */
export interface IdentityHeaders {
  /** Default `x-remote-user`. */
  readonly userField?: string;
  /** Default `x-remote-groups`. */
  readonly groupsField?: string;
  /** Between two groups; printable ASCII, at most 8 characters. Default `|`. */
  readonly groupsSeparator?: string;
}

/** How a scraper's tenant is determined. */
export type TenantSource =
  /** The user's name, which of a certificate is its common name; never `system:anonymous`. */
  | { readonly kind: 'name' }
  /** The rest of their only group with this prefix. */
  | { readonly kind: 'group'; readonly prefix: string }
  /** The only value of this extra. */
  | { readonly kind: 'extra'; readonly key: string };

/** In which header field an upstream is told the scraper's tenant. */
export interface TenantHeader {
  readonly field: string;
  readonly source: TenantSource;
}

/** The headers that tell an upstream about a scraper. */
type CallerWriter = (user: ScrapeRequest['user']) => Readonly<Record<string, string>>;

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

/** The longest field that servers accept (characters). */
const maxFieldBytes = 32 * 1024;

/**
 * Beyond ASCII, some programs read Latin-1 and others UTF-8, and so different names; blanks at the ends are removed on the
 * way (RFC 9110, 5.5).
 */
const safeInHeader = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/**
 * One word that every reader understands alike: backends read `a|b` or `a,b` as two tenants, `*` as all, and `..` as
 * another folder.
 */
const plainTenant = /^[A-Za-z0-9](?:[A-Za-z0-9_.:@-]{0,254}[A-Za-z0-9])?$/;

/** As Kubernetes spells them. */
const anonymousName = 'system:anonymous';
const credentialIdKey = 'authentication.kubernetes.io/credential-id';
/** Every scraper has one of these groups, so a prefix of theirs would put all scrapers in one tenant. */
const groupsOfEverybody = ['system:authenticated', 'system:unauthenticated'];

/** Of the header fields, where there are some. */
export function identityFieldNames(options: IdentityHeaders | undefined): readonly string[] {
  if (options === undefined) return [];
  const { userField = 'x-remote-user', groupsField = 'x-remote-groups' } = options;
  return [userField, groupsField];
}

/**
 * Tells an upstream who scrapes; nothing without authentication. The headers throw an UpstreamError where they would be
 * ambiguous; it begins with `address` and names neither the scraper nor their groups.
 *
 * @throws IdentityHeadersError
 */
export function identityWriter(options: IdentityHeaders = {}, address = 'the upstream'): CallerWriter {
  const { userField = 'x-remote-user', groupsField = 'x-remote-groups', groupsSeparator = '|' } = options;
  const check = (option: keyof IdentityHeaders, fault: string | undefined): void => {
    if (fault !== undefined) throw new IdentityHeadersError(option, fault);
  };
  const isOneField = userField.toLowerCase() === groupsField.toLowerCase();
  const isSeparator = /^[\x20-\x7e]{1,8}$/.test(groupsSeparator);
  check('userField', fieldNameFault(userField));
  check('groupsField', fieldNameFault(groupsField));
  check('groupsField', isOneField ? 'is also the field of the user' : undefined);
  check('groupsSeparator', isSeparator ? undefined : 'must be 1 to 8 characters of printable ASCII');
  const unclear = (fault: string): UpstreamError => new UpstreamError(`${address}: ${fault}`);
  return (user) => {
    if (user === undefined) return {};
    const { name } = user;
    const groups = user.groups.join(groupsSeparator);
    if (!safeInHeader.test(name)) throw unclear("the scraper's name cannot stand in a header");
    if (!user.groups.every((group) => safeInHeader.test(group))) {
      throw unclear("one of the scraper's groups cannot stand in a header");
    }
    // A group `a|b` must not be read as two.
    if (!isSame(groups === '' ? [] : groups.split(groupsSeparator), user.groups)) {
      throw unclear("one of the scraper's groups holds the separator");
    }
    if (name.length > maxFieldBytes || groups.length > maxFieldBytes) {
      throw unclear(`the scraper's name or groups are longer than ${maxFieldBytes} bytes`);
    }
    return { [userField]: name, [groupsField]: groups };
  };
}

/**
 * Tells an upstream the scraper's tenant; the headers throw a NoTenantError where it is uncertain.
 *
 * @param others fields in which the upstream is told something else.
 * @throws TenantHeadersError
 */
export function tenantWriter(headers: readonly TenantHeader[], others: readonly string[] = []): CallerWriter {
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

/** What an upstream is told of the user and their tenant. */
export interface CallerHeaders {
  readonly identityHeaders?: IdentityHeaders;
  readonly tenantHeaders?: readonly TenantHeader[];
}

/** Tells an upstream both. @throws IdentityHeadersError, TenantHeadersError */
export function callerWriter(
  { identityHeaders, tenantHeaders }: CallerHeaders,
  address: string,
): CallerWriter {
  const identityOf = identityHeaders && identityWriter(identityHeaders, address);
  const tenantOf = tenantHeaders && tenantWriter(tenantHeaders, identityFieldNames(identityHeaders));
  return (user) => {
    // First, since who has no tenant is refused whatever they are called.
    const tenant = tenantOf?.(user);
    return { ...identityOf?.(user), ...tenant };
  };
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
