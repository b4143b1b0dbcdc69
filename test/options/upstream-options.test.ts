import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FollowedOptionFiles } from '../../src/options/followed-option-files.js';
import { openUpstreams, ownMetricsPath, type UpstreamEvents } from '../../src/options/upstream-options.js';
import { Opened } from '../../src/options/starting.js';
import { UsageError } from '../../src/options/usage-error.js';
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
  const [client, other] = await Promise.all([
    authority.issue({ commonName: 'filter', usage: 'clientAuth' }),
    authority.issue({ commonName: 'other', usage: 'clientAuth' }),
  ]);
  paths = {
    CA: directory.write('ca.crt', authority.certificatePem),
    CERT: directory.write('tls.crt', client.certificatePem),
    KEY: directory.write('tls.key', client.privateKeyPem),
    OTHER: directory.write('other.key', other.privateKeyPem),
    TEXT: directory.write('text', 'secret'),
    MISSING: `${directory.path}/missing`,
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

  it.each<[Readonly<Record<string, string>>, RegExp]>([
    [{ upstream: 'http://user:secret@127.0.0.1/metrics' }, /^--upstream: must not hold credentials$/],
    [{ upstream: 'ftp://127.0.0.1/metrics' }, /^--upstream: must be an http or https URL/],
    [{ upstream: '127.0.0.1:8080' }, /^--upstream: must be an http or https URL/],
    [{ upstream: 'http://127.0.0.1/metrics#secret' }, /^--upstream: must not have a fragment$/],
    [{ upstream: '' }, /^--upstream: must be an http or https URL/],
    [{ upstreamCaFile: 'CA' }, /^--upstream-ca-file: needs --upstream or --gateway-path$/],
    [{ upstreamServerName: 'app' }, /^--upstream-server-name: needs --upstream or --gateway-path$/],
    [
      { upstream: 'http://127.0.0.1', upstreamCaFile: 'CA' },
      /^--upstream-ca-file: needs an https --upstream$/,
    ],
    [{ ...https, upstreamCaFile: 'MISSING' }, /^--upstream-ca-file: .*missing cannot be read: ENOENT$/],
    [{ ...https, upstreamCaFile: 'TEXT' }, /^--upstream-ca-file: .*text holds no PEM certificate$/],
    [{ ...https, upstreamClientCertFile: 'CERT' }, /^--upstream-client-key-file: required with/],
    [{ ...https, upstreamClientKeyFile: 'KEY' }, /^--upstream-client-cert-file: required with/],
    [
      { ...https, upstreamClientCertFile: 'TEXT', upstreamClientKeyFile: 'KEY' },
      /^--upstream-client-cert-file: .*text holds no PEM certificate$/,
    ],
    [
      { ...https, upstreamClientCertFile: 'CERT', upstreamClientKeyFile: 'OTHER' },
      /--upstream-client-key-file .*other\.key does not belong to the certificate$/,
    ],
    [
      { ...https, upstreamClientCertFile: 'CERT', upstreamClientKeyFile: 'TEXT' },
      /--upstream-client-key-file .*text holds no PEM private key/,
    ],
    [{ upstream: 'http://a,http://b' }, /^--upstream: several upstreams each need a name, such as app=http/],
    [{ upstream: 'a=http://a,http://b' }, /^--upstream: several upstreams each need a name/],
    [{ upstream: 'a=http://a,a=http://b' }, /^--upstream: the name "a" is given twice$/],
    [{ upstream: 'a=http://a,b=ftp://secret' }, /^--upstream: must be an http or https URL/],
    [{ upstream: 'a=http://a,b=127.0.0.1:80' }, /^--upstream: a comma in a URL's host or path/],
    [{ upstream: 'a=http://a/metrics,b=secret' }, /^--upstream: a comma in a URL's host or path/],
    [{ upstream: 'a=' }, /^--upstream: must be an http or https URL/],
    [{ upstream: '=http://a' }, /^--upstream: a name must be 1 to 63 of A-Z/],
    [{ upstream: 'se cret=http://a' }, /^--upstream: a name must be 1 to 63 of A-Z/],
    [{ upstream: 'a=http://user:secret@b' }, /^--upstream: must not hold credentials$/],
    [{ upstream: 'a=http://a', upstreamCaFile: 'CA' }, /^--upstream-ca-file: needs an https --upstream$/],
    [{ upstreamPassQuery: 'target' }, /^--upstream-pass-query: needs --upstream$/],
    [{ upstream: 'http://a', upstreamPassQuery: ' ' }, /^--upstream-pass-query: is empty/],
    [{ upstream: 'http://a', upstreamPassQuery: 'a=b' }, /^--upstream-pass-query: "a=b" is no name/],
    [
      { upstream: 'http://a?target=x', upstreamPassQuery: 'target' },
      /^--upstream-pass-query: "target" is in the URL of an upstream already$/,
    ],
    [{ upstreamLabel: 'shard' }, /^--upstream-label: needs an --upstream with a name: name=URL$/],
    [{ upstream: 'http://a', upstreamLabel: '' }, /^--upstream-label: needs an --upstream with a name/],
    [{ upstream: 'a=http://a', upstreamLabel: 'a-b' }, /^--upstream-label: "a-b" is no label name$/],
    [{ upstream: 'a=http://a', upstreamLabel: 'le' }, /^--upstream-label: "le" belongs to histograms/],
    [{ upstreamPath: 'http://a' }, /^--upstream-path: must be a path below \/metrics\/ and a URL/],
    [{ upstreamPath: '/metrics=http://a' }, /^--upstream-path: must be a path below/],
    [{ upstreamPath: '/metrics/=http://a' }, /^--upstream-path: must be a path below/],
    [{ upstreamPath: '/metrics/../x=http://a' }, /^--upstream-path: must be a path below/],
    [{ upstreamPath: '/metrics/a%2fb=http://a' }, /^--upstream-path: must be a path below/],
    [{ upstreamPath: '/metrics/a/=http://a' }, /^--upstream-path: must be a path below/],
    [{ upstreamPath: '/metrics/a?x=http://a' }, /^--upstream-path: must be a path below/],
    [{ upstreamPath: '/metrics/a' }, /^--upstream-path: must be a path below/],
    [{ upstreamPath: '' }, /^--upstream-path: must be a path below/],
    [{ upstreamPath: '/metrics/a=secret' }, /^--upstream-path: must be an http or https URL/],
    [{ upstreamPath: '/metrics/slis=http://a' }, /^--upstream-path: \/metrics\/slis is served by this/],
    [{ upstreamPath: '/metrics/filter=http://a' }, /^--upstream-path: \/metrics\/filter is served by this/],
    [
      { upstreamPath: '/metrics/a=http://a,/metrics/a=http://b' },
      /^--upstream-path: \/metrics\/a is given twice$/,
    ],
    [{ ...https, upstreamServerName: 'a b' }, /^--upstream-server-name: "a b" is not a host name$/],
  ])('%j is a usage error that names the flag', async (flags, message) => {
    const failing = expositionFor(flags);
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.toBeInstanceOf(UsageError);
    await expect(failing).rejects.not.toThrow(/secret|\n/);
  });
});
