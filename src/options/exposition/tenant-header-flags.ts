import type { Exposition } from '../../exposition/exposition.js';
import {
  identityFieldNames,
  type IdentityHeaders,
} from '../../exposition/sources/upstream/upstream-identity.js';
import {
  tenantWriter,
  type TenantHeader,
  type TenantSource,
} from '../../exposition/sources/upstream/upstream-tenant.js';
import { isGiven, listOf, type Flag, type FlagValues } from '../flags.js';
import { UsageError } from '../usage-error.js';
import { canBelieve } from './identity-header-flags.js';
import { NoTenantError, TenantHeadersError } from '../../exposition/exposition-errors.js';

const tenantHeader: Flag = {
  name: '--tenant-header',
  value: 'field=source',
  kind: 'text',
  isList: true,
  keepsCommas: true,
  description:
    "header field that tells the upstream the scraper's tenant, and what says it: cn (his name), group:<prefix> (the rest of his one group that begins so) or extra:<key>; whose tenant is not sure gets 403; may be repeated; the upstream as for --auth-header-fields-enabled",
};

/** What an upstream is told of the scraper's tenant. */
export const tenantHeaderFlags: readonly Flag[] = [tenantHeader];

/** Whether what an upstream answers depends on the scraper's tenant. */
export function tellsTenant(values: FlagValues): boolean {
  return isGiven(values, tenantHeader);
}

export interface TenantUpstreams {
  readonly urls: readonly string[];
  /** What else they are told of the scraper. */
  readonly identityHeaders: IdentityHeaders | undefined;
  /** Whether https ones are shown a client certificate. */
  readonly showsCertificate: boolean;
}

/**
 * Undefined where upstreams are told nothing.
 *
 * @throws UsageError naming the flag; also where somebody else could send the same headers to an upstream.
 */
export function tenantHeadersOf(
  values: FlagValues,
  { urls, identityHeaders, showsCertificate }: TenantUpstreams,
): readonly TenantHeader[] | undefined {
  if (!tellsTenant(values)) return undefined;
  const { name } = tenantHeader;
  const headers = listOf(values, tenantHeader).map(headerOf);
  try {
    tenantWriter(headers, identityFieldNames(identityHeaders));
  } catch (error) {
    if (!(error instanceof TenantHeadersError)) throw error;
    throw new UsageError(`${name}: ${error.message}`);
  }
  if (urls.length === 0) throw new UsageError(`${name}: needs --upstream`);
  if (!urls.every((url) => canBelieve(url, showsCertificate))) {
    throw new UsageError(
      `${name}: needs an --upstream on a loopback address, or an https one and --upstream-client-cert-file`,
    );
  }
  return headers;
}

function headerOf(text: string): TenantHeader {
  const [, field, said] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  const source = said === undefined ? undefined : sourceOf(said);
  if (field !== undefined && source !== undefined) return { field, source };
  throw new UsageError(
    `${tenantHeader.name}: ${JSON.stringify(text)} is none of NAME=cn, NAME=group:PREFIX and NAME=extra:KEY`,
  );
}

function sourceOf(text: string): TenantSource | undefined {
  if (text === 'cn') return { kind: 'name' };
  const [, kind, rest = ''] = /^(group|extra):(.*)$/s.exec(text) ?? [];
  if (kind === 'group') return { kind, prefix: rest };
  return kind === 'extra' ? { kind, key: rest } : undefined;
}

/** The same exposition; `onRefusal` is told of each scrape that it refuses for want of a tenant. */
export function refusalsTold(exposition: Exposition, onRefusal: (error: NoTenantError) => void): Exposition {
  return {
    contentType: (request) => exposition.contentType(request),
    async render(request) {
      try {
        return await exposition.render(request);
      } catch (error) {
        if (error instanceof NoTenantError) onRefusal(error);
        throw error;
      }
    },
  };
}
