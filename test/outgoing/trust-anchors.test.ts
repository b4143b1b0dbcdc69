import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { getHttpsJson } from '../../src/outgoing/https-json.js';
import { UpstreamClient } from '../../src/outgoing/upstream-client.js';
import { createAuthority, type LeafOptions } from '../support/certificate-authority.js';
import { ask, createApiSetting } from '../kubernetes/api-setting.js';
import { base64 } from '../kubernetes/kubeconfig-text.js';
import { startConnectProxy, startSocksProxy, type Proxy } from './proxies.js';

const setting = await createApiSetting();

interface Target {
  readonly url: string;
  readonly port: number;
}

const past = new Date(Date.now() - 60_000);
const serving: LeafOptions = { commonName: 'kcp', usage: 'serverAuth', ipAddresses: ['127.0.0.1'] };

/** A root, what it signed, and what that signed. */
async function createChains() {
  const root = await createAuthority({ commonName: 'root' });
  const lapsedRoot = await createAuthority({ commonName: 'lapsed root', notAfter: past });
  const [intermediate, sibling, lapsed, leafOnly, clientsOnly, mute, belowLapsedRoot] = await Promise.all([
    root.issueAuthority({ commonName: 'intermediate' }),
    root.issueAuthority({ commonName: 'sibling' }),
    root.issueAuthority({ commonName: 'lapsed', notAfter: past }),
    root.issueAuthority({ commonName: 'no authority', isAuthority: false }),
    root.issueAuthority({ commonName: 'for clients', usage: 'clientAuth' }),
    root.issueAuthority({ commonName: 'may not sign', maySignCertificates: false }),
    lapsedRoot.issueAuthority({ commonName: 'intermediate below a lapsed root' }),
  ]);
  const narrow = await root.issueAuthority({ commonName: 'narrow', pathLength: 0 });
  const [lower, belowNarrow, namesake] = await Promise.all([
    intermediate.issueAuthority({ commonName: 'lower' }),
    narrow.issueAuthority({ commonName: 'below narrow' }),
    root.issueAuthority({ commonName: 'intermediate' }),
  ]);
  return {
    ...{ root, intermediate, sibling, lapsed, leafOnly, clientsOnly, mute },
    ...{ lapsedRoot, belowLapsedRoot, narrow, lower, belowNarrow, namesake },
  };
}

type Chains = Awaited<ReturnType<typeof createChains>>;
type Name = keyof Chains;

const chains = await createChains();

/** Starts a server whose leaf `issuer` has signed, and which sends `sent` behind it. */
async function serve(issuer: Name, sent: readonly Name[], leaf: LeafOptions = serving) {
  const { certificatePem, privateKeyPem } = await chains[issuer].issue(leaf);
  const chain = [certificatePem, ...sent.map((name) => chains[name].certificatePem)].join('');
  return {
    leaf: certificatePem,
    server: await setting.startServer(undefined, { certificatePem: chain, privateKeyPem }),
  };
}

function bundleOf(names: readonly Name[]): string {
  return names.map((name) => chains[name].certificatePem).join('');
}

/** Everything that takes a CA of a server. */
const clients: readonly [string, (target: Target, authorities: string) => Promise<unknown>][] = [
  ['a kubeconfig', (target, authorities) => asked(target, authorities)],
  ['a kubeconfig behind an HTTP proxy', (target, authorities) => behind('http', target, authorities)],
  ['a kubeconfig behind a SOCKS proxy', (target, authorities) => behind('socks5', target, authorities)],
  ['keys and documents of an issuer', ({ url }, authorities) => getHttpsJson(url, { authorities })],
  [
    'an upstream',
    async ({ url }, ca) => {
      const client = new UpstreamClient(new URL(url), { ca });
      onTestFinished(() => {
        client.close();
      });
      const { body } = await client.send({ headers: {}, timeoutMs: 10_000, stallTimeoutMs: 10_000 });
      for await (const chunk of body) expect(chunk.length).toBeGreaterThan(0);
    },
  ],
];

async function asked({ url }: Target, authorities: string, proxyUrl?: string): Promise<void> {
  const cluster = { server: url, 'certificate-authority-data': base64(authorities) };
  const client = await setting.open({
    cluster: { ...cluster, ...(proxyUrl === undefined ? {} : { 'proxy-url': proxyUrl }) },
    user: { token: 'secret' },
  });
  expect(await ask(client)).toBe(200);
}

async function behind(scheme: 'http' | 'socks5', target: Target, authorities: string): Promise<void> {
  const start: (port: number) => Promise<Proxy> = scheme === 'http' ? startConnectProxy : startSocksProxy;
  const proxy = await start(target.port);
  await asked(target, authorities, `${scheme}://127.0.0.1:${proxy.port}`);
}

describe.each(clients)('for %s', (_, connect) => {
  it.each<[string, Name, readonly Name[], readonly Name[]]>([
    ['an intermediate alone, of a server that sends its leaf', 'intermediate', [], ['intermediate']],
    ['an intermediate that is sent, too', 'intermediate', ['intermediate'], ['intermediate']],
    ['an intermediate, of a whole chain', 'intermediate', ['intermediate', 'root'], ['intermediate']],
    ['the root', 'intermediate', ['intermediate'], ['root']],
    ['both', 'intermediate', ['intermediate'], ['intermediate', 'root']],
    ['both, of a leaf alone', 'intermediate', [], ['root', 'intermediate']],
    ['one beside others', 'intermediate', ['intermediate'], ['sibling', 'lapsed', 'intermediate']],
    ['the lower of two', 'lower', ['lower', 'intermediate', 'root'], ['lower']],
    ['the upper of two', 'lower', ['lower'], ['intermediate']],
    ['one below a root that has expired', 'belowLapsedRoot', ['lapsedRoot'], ['belowLapsedRoot']],
    ['one beside its expired root', 'belowLapsedRoot', ['lapsedRoot'], ['lapsedRoot', 'belowLapsedRoot']],
  ])('an anchor is %s', async (_what, issuer, sent, trusted) => {
    const { server } = await serve(issuer, sent);
    await connect(server, bundleOf(trusted));
    expect(server.requests.length).toBe(1);
  });

  it('an anchor is the certificate itself', async () => {
    const { leaf, server } = await serve('intermediate', []);
    await connect(server, leaf);
    expect(server.requests.length).toBe(1);
  });

  const unknown = /not signed by a known authority/;
  const lapsed = /is not valid now/;
  const misused = /may not be used for this/;
  it.each<[string, Name, readonly Name[], readonly Name[], RegExp]>([
    ['another intermediate of the root', 'intermediate', ['intermediate', 'root'], ['sibling'], unknown],
    ['one of its name, with another key', 'intermediate', ['intermediate', 'root'], ['namesake'], unknown],
    ['the root, which a leaf alone does not lead to', 'intermediate', [], ['root'], unknown],
    ['the lower one, which has not signed it', 'intermediate', ['intermediate', 'root'], ['lower'], unknown],
    ['one that has expired', 'lapsed', ['root'], ['lapsed'], lapsed],
    ['a root that has expired', 'belowLapsedRoot', ['belowLapsedRoot'], ['lapsedRoot'], lapsed],
    ['one that is no authority', 'leafOnly', ['root'], ['leafOnly'], misused],
    ['one that may not sign', 'mute', ['root'], ['mute'], misused],
    ['one for clients', 'clientsOnly', ['root'], ['clientsOnly'], misused],
    ['one whose path is too long', 'belowNarrow', ['belowNarrow', 'narrow'], ['narrow'], misused],
  ])('no anchor is %s', async (_what, issuer, sent, trusted, message) => {
    const { server } = await serve(issuer, sent);
    await expect(connect(server, bundleOf(trusted))).rejects.toThrow(message);
    expect(server.requests).toEqual([]);
  });

  it.each<[string, LeafOptions, RegExp]>([
    ['another name', { ...serving, ipAddresses: ['192.0.2.1'] }, /is for another name/],
    ['a time that is over', { ...serving, notAfter: past }, lapsed],
    ['clients', { ...serving, usage: 'clientAuth' }, misused],
  ])('below an intermediate, a certificate for %s is refused', async (_what, leaf, message) => {
    const { server } = await serve('intermediate', ['intermediate', 'root'], leaf);
    await expect(connect(server, bundleOf(['intermediate']))).rejects.toThrow(message);
    expect(server.requests).toEqual([]);
  });
});

it('without authorities of its own, a connection trusts those of NODE_EXTRA_CA_CERTS', async () => {
  const { server } = await serve('intermediate', ['intermediate']);
  const module = new URL('../../dist/outgoing/https-json.js', import.meta.url).href;
  const script = `const { getHttpsJson } = await import(process.argv[1]); await getHttpsJson(process.argv[2]);`;
  const root = setting.directory.write('extra.crt', chains.root.certificatePem);
  await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script, module, server.url], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: root },
  });
  expect(server.requests.length).toBe(1);
});
