import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FollowedOptionFiles } from '../../src/options/followed-option-files.js';
import { openUpstreams, ownMetricsPath, type UpstreamEvents } from '../../src/options/upstream-options.js';
import { Opened } from '../../src/options/starting.js';
import type { Exposition } from '../../src/exposition/exposition.js';
import { createAuthority } from '../../src/pki/throwaway-pki.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const own: Exposition = {
  contentType: () => 'text/plain',
  render: () => Promise.resolve({ contentType: 'text/plain', body: 'own 1\n' }),
};
const directory = temporaryDirectory();
let paths: Readonly<Record<string, string>>;
const opened = new Opened();
beforeAll(async () => {
  const authority = await createAuthority({ commonName: 'upstream-ca' });
  const client = await authority.issue({ commonName: 'filter', usage: 'clientAuth' });
  paths = {
    CA: directory.write('ca.crt', authority.certificatePem),
    CERT: directory.write('tls.crt', client.certificatePem),
    KEY: directory.write('tls.key', client.privateKeyPem),
  };
});
afterEach(() => opened.close());

const events: UpstreamEvents = {
  onFailure: () => undefined,
  onMemberFailure: () => undefined,
  onLeftOut: () => undefined,
  onNoTenant: () => undefined,
};
/** Flags with lists, whose values the command line separates at every comma. */
const lists: readonly string[] = ['upstream', 'upstreamPath'];

/** As the command line has them; capitals stand for files. */
function expositionFor(flags: Readonly<Record<string, string>>) {
  const followed = opened.add(new FollowedOptionFiles());
  const values = Object.fromEntries(
    Object.entries(flags).map(([name, value]) => [
      name,
      lists.includes(name) ? value.split(',') : (paths[value] ?? value),
    ]),
  );
  return openUpstreams(values, own, { files: followed, opened }, events);
}

const https = { upstream: 'https://127.0.0.1:8443/metrics' };

describe('the exposition of the flags', () => {
  it('is the filter’s own without an upstream', async () => {
    const { exposition, others } = await expositionFor({});
    expect(exposition).toBe(own);
    expect(others.size).toBe(0);
  });

  it.each([
    { upstream: 'http://127.0.0.1:8080' },
    { upstream: 'http://[::1]:8080/metrics?name=a' },
    https,
    { ...https, upstreamCaFile: 'CA', upstreamServerName: 'app.shop.svc' },
    { ...https, upstreamClientCertFile: 'CERT', upstreamClientKeyFile: 'KEY', upstreamServerName: '::1' },
  ])('%j: is the upstream’s, the filter’s own beside it', async (flags) => {
    const { exposition, others } = await expositionFor(flags);
    expect(exposition).not.toBe(own);
    expect([...others]).toEqual([[ownMetricsPath, own]]);
  });

  it.each([
    [{ upstreamPath: '/metrics/app=http://127.0.0.1:8080' }, ['/metrics/app']],
    [{ upstreamPath: '/metrics/app/v1=https://h/?a=b,c', upstreamCaFile: 'CA' }, ['/metrics/app/v1']],
    [
      { upstream: 'a=http://h', upstreamPath: '/metrics/a=http://h,/metrics/b=http://h' },
      ['/metrics/a', '/metrics/b', ownMetricsPath],
    ],
  ])('%j: has paths of their own', async (flags, served) => {
    const { exposition, others } = await expositionFor(flags);
    expect([...others.keys()]).toEqual(served);
    expect(exposition === own).toBe(!('upstream' in flags));
  });
});
