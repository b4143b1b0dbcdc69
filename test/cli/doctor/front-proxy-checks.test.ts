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
describe('authorities of clients and of front proxies', () => {
  it('that differ are no danger', () => {
    expect(look([clients], [proxies], ['front-proxy'])).toEqual([]);
  });

  it('are told apart by the names that are allowed', () => {
    expect(look([shared], [shared], ['front-proxy', 'other'])).toEqual([
      'ok: clients of "CN=shared" are accepted as front proxies with the CN "front-proxy", "other": make sure it signs these names for front proxies only',
    ]);
    // A start refuses them without names.
    expect(look([shared], [shared])).toEqual([]);
  });
});
