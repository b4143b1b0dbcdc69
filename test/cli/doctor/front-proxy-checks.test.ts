import { describe, expect, it } from 'vitest';
import { frontProxyFindings } from '../../../src/cli/doctor/authorities.js';
import { createAuthority, type Authority } from '../../support/certificate-authority.js';
import { bundleOf } from '../../authentication/certificates/certificates.js';
import { saidIn } from './levels.js';

const clients = await createAuthority({ commonName: 'clients' });
const proxies = await createAuthority({ commonName: 'proxies' });
const shared = await createAuthority({ commonName: 'shared' });

const look = (
  ofClients: readonly Authority[],
  ofProxies: readonly Authority[],
  allowedNames: string[] = [],
) =>
  saidIn(
    frontProxyFindings(
      '--requestheader-client-ca-file /proxy-ca.crt',
      bundleOf(...ofClients),
      bundleOf(...ofProxies),
      allowedNames,
    ),
  );
const danger = expect.stringMatching(
  /^warning: clients of "CN=shared" are also accepted as front proxies and can impersonate anyone by X-Remote-User: .*--requestheader-allowed-names/,
) as unknown;

describe('authorities of clients and of front proxies', () => {
  it('that differ are no danger', () => {
    expect(look([clients], [proxies])).toEqual([]);
  });

  it('let every client speak for anybody where they are the same', () => {
    expect(look([clients, shared], [proxies, shared])).toEqual([danger]);
    expect(look([shared, shared], [shared, shared])).toEqual([danger]);
  });

  it('are the same where the one signed the other', async () => {
    const below = await shared.issueAuthority({ commonName: 'below' });
    expect(look([below], [shared])).toEqual([
      expect.stringMatching(/^warning: clients of "CN=below" are also accepted/),
    ]);
    // Not the other way round: a client of the upper one has no chain to the lower.
    expect(look([shared], [below])).toEqual([]);
  });

  it('are not the same for having the same name', async () => {
    expect(look([shared], [await createAuthority({ commonName: 'shared' })])).toEqual([]);
  });

  it('are told apart by the names that are allowed', () => {
    expect(look([shared], [shared], ['front-proxy', 'other'])).toEqual([
      'ok: clients of "CN=shared" are accepted as front proxies with the CN "front-proxy", "other": make sure it signs these names for front proxies only',
    ]);
  });
});
