import type { ScrapeRequest, ScrapingUser } from '../../exposition.js';
import { fieldNameFault } from './upstream-field.js';
import { NoTenantError, TenantHeadersError } from '../../exposition-errors.js';

/** What of a scraper says whose metrics he reads. */
export type TenantSource =
  /** His name, which is the common name where he has shown a certificate; never `system:anonymous`. */
  | { readonly kind: 'name' }
  /** The rest of the one group of his that begins so. */
  | { readonly kind: 'group'; readonly prefix: string }
  /** The one value of this extra of his. */
  | { readonly kind: 'extra'; readonly key: string };

/** In which header field an upstream is told of which tenant the scraper is. */
export interface TenantHeader {
  readonly field: string;
  readonly source: TenantSource;
}

/** The fields that tell it. @throws NoTenantError */
export type TenantWriter = (user: ScrapeRequest['user']) => Readonly<Record<string, string>>;

/**
 * One word that means the same to every reader: backends take `a|b` or `a,b` for two tenants, `*` for all, and `..` for
 * another folder.
 */
const tenant = /^[A-Za-z0-9](?:[A-Za-z0-9_.:@-]{0,254}[A-Za-z0-9])?$/;

/** As Kubernetes spells them. */
const anonymousName = 'system:anonymous';
const credentialIdKey = 'authentication.kubernetes.io/credential-id';
/** Each scraper is in one of them, so that a prefix of theirs would make all of them one tenant. */
const groupsOfEverybody = ['system:authenticated', 'system:unauthenticated'];

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

/** Why nobody's tenant can be found out so; undefined where it can. */
function sourceFault(source: TenantSource): string | undefined {
  switch (source.kind) {
    case 'name':
      return undefined;
    case 'group':
      if (source.prefix === '') return 'the prefix of a group is empty';
      return groupsOfEverybody.some((group) => group.startsWith(source.prefix))
        ? `everybody is in a group that begins with ${JSON.stringify(source.prefix)}`
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
  if (user === undefined) throw new NoTenantError('unasked', 'nobody was asked who scrapes');
  const [found, ...others] = new Set(valuesOf(user, source));
  if (found === undefined) throw new NoTenantError('none', `the scraper has no ${kind} that says it`);
  if (others.length > 0) {
    throw new NoTenantError('several', `the scraper has more than one ${kind} that says it`);
  }
  if (!tenant.test(found))
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
