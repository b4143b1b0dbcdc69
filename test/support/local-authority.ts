import { createAuthority } from './certificate-authority.js';
import { once } from './once.js';

/** An authority and its certificate for servers of this machine: the same for all tests of this process. */
export const localAuthority = once(async () => {
  const authority = await createAuthority({ commonName: 'ca' });
  const serving = await authority.issue({
    commonName: 'localhost',
    usage: 'serverAuth',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  return { authority, serving };
});
