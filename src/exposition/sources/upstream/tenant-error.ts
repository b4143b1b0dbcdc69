/** Tenant headers that cannot be used; the message says why, and of which field. */
export class TenantHeadersError extends TypeError {
  override readonly name = 'TenantHeadersError';
  readonly code = 'ERR_TENANT_HEADERS';
}

/** `unasked`: nobody was asked who scrapes; `malformed`: what says it is not one plain word. */
export type TenantFault = 'unasked' | 'none' | 'several' | 'malformed';

/** The scraper is of no tenant, or not unmistakably of one: he is refused with 403. */
export class NoTenantError extends Error {
  override readonly name = 'NoTenantError';
  readonly code = 'ERR_NO_TENANT';

  constructor(
    readonly fault: TenantFault,
    /** For the operator; names neither the scraper nor his groups. */
    readonly detail: string,
  ) {
    super('no tenant');
  }
}
