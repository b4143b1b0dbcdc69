import { expect, vi } from 'vitest';
import type { Authentication, Credentials } from '../../../../src/authentication/authenticator.js';
import {
  oidcAuthenticator,
  type OidcAuthenticator,
} from '../../../../src/authentication/tokens/oidc/oidc.js';
import type { OidcOptions } from '../../../../src/authentication/tokens/oidc/oidc.js';
import type { Authority } from '../../../support/certificate-authority.js';
import { localAuthority } from '../../../support/local-authority.js';
import { startOpenIdProvider, type OpenIdProvider } from '../../../support/openid-provider.js';

/** A provider and authenticators that trust it, all of which end with the test. */
export interface OidcSetting {
  readonly authority: Authority;
  readonly provider: OpenIdProvider;
  /** How downloads ended: `success`, or why one failed. */
  readonly refreshes: readonly string[];
  /** An authenticator of the provider's tokens. */
  open(options?: Partial<OidcOptions>): OidcAuthenticator;
  /** The same, with the provider's keys at hand. */
  openReady(options?: Partial<OidcOptions>): Promise<OidcAuthenticator>;
  close(): Promise<void>;
}

export async function createOidcSetting(): Promise<OidcSetting> {
  const { authority, serving } = await localAuthority();
  const provider = await startOpenIdProvider(serving, authority.certificatePem);
  const opened: OidcAuthenticator[] = [];
  const refreshes: string[] = [];
  const open = (options: Partial<OidcOptions> = {}): OidcAuthenticator => {
    const authenticator = oidcAuthenticator({
      issuerUrl: provider.issuerUrl,
      clientId: provider.clientId,
      ca: () => authority.certificatePem,
      onRefresh: (result, reason) => refreshes.push(reason ?? result),
      ...options,
    });
    opened.push(authenticator);
    return authenticator;
  };
  return {
    authority,
    provider,
    refreshes,
    open,
    async openReady(options) {
      const before = refreshes.length;
      const authenticator = open(options);
      await vi.waitFor(() => {
        expect(refreshes.slice(before)).toContain('success');
      });
      return authenticator;
    },
    async close() {
      for (const authenticator of opened) authenticator.close();
      await provider.close();
    },
  };
}

export const presenting = (token: string): Credentials => ({
  headers: { authorization: [`Bearer ${token}`] },
});

/** The identity of a token, or why it is refused. */
export async function outcome(authenticator: OidcAuthenticator, token: string): Promise<unknown> {
  const authentication: Authentication = await authenticator.authenticate(presenting(token));
  switch (authentication.kind) {
    case 'authenticated':
      return authentication.identity;
    case 'refused':
      return authentication.reason;
    case 'none':
      return 'none';
  }
}
