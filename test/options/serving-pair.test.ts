import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { FollowedFiles } from '../../src/files/followed-files.js';
import { FollowedOptionFiles } from '../../src/options/followed-option-files.js';
import { followServingPair, type PairFiles } from '../../src/options/serving-pair.js';
import { tls } from '../../src/options/tls-options.js';
import type { KeyPair } from '../../src/server/serving-certificates.js';
import {
  createAuthority,
  type Authority,
  type IssuedCertificate,
  type LeafOptions,
} from '../support/certificate-authority.js';
import { rsaPair } from '../support/rsa-pair.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

const { tlsCertFile: certificateOption, tlsPrivateKeyFile: keyOption } = tls.options;
const soon = { timeout: 5000, interval: 20 };
const hour = 3_600_000;

let authority: Authority;
beforeAll(async () => {
  authority = await createAuthority({ commonName: 'ca' });
  // Each change would be seen up to a second later.
  const open = FollowedFiles.open.bind(FollowedFiles);
  vi.spyOn(FollowedFiles, 'open').mockImplementation((options) => open({ ...options, pollMs: 50 }));
});
afterAll(() => {
  vi.restoreAllMocks();
});
let directory: TemporaryDirectory;
let files: FollowedOptionFiles;
let told: string[];
beforeEach(() => {
  directory = temporaryDirectory();
  told = [];
  files = new FollowedOptionFiles((flag, result) => {
    told.push(`${flag}: ${result.result === 'success' ? 'success' : result.message}`);
  });
});
afterEach(() => {
  files.close();
});

const issue = (commonName: string, options: LeafOptions = {}): Promise<IssuedCertificate> =>
  authority.issue({ ...options, commonName });
const nameOf = ({ certificate }: KeyPair): string => new X509Certificate(certificate).subject;

function write({ certificatePem, privateKeyPem }: IssuedCertificate): PairFiles {
  return {
    certificateOption,
    certificateFile: directory.write('tls.crt', certificatePem),
    keyOption,
    keyFile: directory.write('tls.key', privateKeyPem),
  };
}

describe('a pair that is served', () => {
  it('is replaced by the next one, whole', async () => {
    const { first, followed } = await followServingPair(write(await issue('first')), files);
    expect([nameOf(first), followed.current === first, first.keyType]).toEqual(['CN=first', true, 'ec']);
    const next = await issue('second');
    write(next);
    await expect.poll(() => nameOf(followed.current), soon).toBe('CN=second');
    expect(followed.current.privateKey).toBe(next.privateKeyPem);
    expect(told.at(-1)).toBe('--tls-cert-file: success');
  });

  it.each([
    [false, 'CN=second', '--tls-cert-file: success'],
    [true, 'CN=first', 'has a key of type rsa; pairs served together all need type ec'],
  ])('with a key of another type, where it must keep its type: %s, is then %s', async (...row) => {
    const [keepsKeyType, name, message] = row;
    const pair = { ...write(await issue('first')), keepsKeyType };
    const { followed } = await followServingPair(pair, files);
    write(await rsaPair('second'));
    await expect.poll(() => told.at(-1), soon).toContain(message);
    expect(nameOf(followed.current)).toBe(name);
  });

  it("is replaced by a Secret's mount, which changes by a symbolic link", async () => {
    const mount = (version: string, { certificatePem, privateKeyPem }: IssuedCertificate): void => {
      mkdirSync(join(directory.path, version));
      writeFileSync(join(directory.path, version, 'tls.crt'), certificatePem);
      writeFileSync(join(directory.path, version, 'tls.key'), privateKeyPem);
      symlinkSync(version, join(directory.path, '..data_tmp'));
      renameSync(join(directory.path, '..data_tmp'), join(directory.path, '..data'));
    };
    mount('..1', await issue('first'));
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(`..data/${name}`, join(directory.path, name));
    const pair: PairFiles = {
      certificateOption,
      certificateFile: join(directory.path, 'tls.crt'),
      keyOption,
      keyFile: join(directory.path, 'tls.key'),
    };
    const { followed } = await followServingPair(pair, files);
    mount('..2', await issue('second'));
    rmSync(join(directory.path, '..1'), { recursive: true });
    await expect.poll(() => nameOf(followed.current), soon).toBe('CN=second');
    expect(told).toEqual(['--tls-cert-file: success']);
  });

  it.each<[string, (next: IssuedCertificate) => IssuedCertificate | Promise<IssuedCertificate>, RegExp]>([
    [
      "another's key",
      async (next) => ({ ...next, privateKeyPem: (await issue('other')).privateKeyPem }),
      /^--tls-cert-file: --tls-private-key-file: .*tls\.key is not the key of .*tls\.crt$/,
    ],
    [
      'half a certificate',
      (next) => ({ ...next, certificatePem: next.certificatePem.slice(0, 300) }),
      /^--tls-cert-file: --tls-cert-file: .*tls\.crt: /,
    ],
    [
      'half an intermediate',
      (next) => ({
        ...next,
        certificatePem: `${next.certificatePem}${authority.certificatePem.slice(0, 300)}`,
      }),
      /^--tls-cert-file: --tls-cert-file: .*tls\.crt: /,
    ],
    [
      'half a key',
      (next) => ({ ...next, privateKeyPem: next.privateKeyPem.slice(0, 100) }),
      /^--tls-cert-file: --tls-private-key-file: .*tls\.key: /,
    ],
    ['nothing', () => ({ certificatePem: '', privateKeyPem: '' }), /^--tls-cert-file: .*tls\.crt: /],
    [
      'an expired certificate',
      () =>
        issue('expired', {
          notBefore: new Date(Date.now() - 2 * hour),
          notAfter: new Date(Date.now() - hour),
        }),
      /^--tls-cert-file: --tls-cert-file: .*tls\.crt has expired on \d{4}-/,
    ],
  ])('stays where %s is put in its place, which is told of once', async (_, spoil, message) => {
    const { first, followed } = await followServingPair(write(await issue('first')), files);
    const next = await issue('second');
    write(await spoil(next));
    await expect.poll(() => told, soon).toHaveLength(1);
    expect(told[0]).toMatch(message);
    expect(told[0]).not.toMatch(/BEGIN|\n/);
    expect(followed.current).toBe(first);
    write(next);
    await expect.poll(() => told, soon).toEqual([told[0], '--tls-cert-file: success']);
    expect(nameOf(followed.current)).toBe('CN=second');
  });

  it('stays while its files are away', async () => {
    const pair = write(await issue('first'));
    const { first, followed } = await followServingPair(pair, files);
    rmSync(pair.keyFile);
    await expect.poll(() => told, soon).toHaveLength(1);
    expect(told[0]).toMatch(/^--tls-cert-file: .*tls\.key cannot be read: ENOENT$/);
    expect(followed.current).toBe(first);
  });

  it('stays until the next one is valid', async () => {
    let now = Date.now();
    const { first, followed } = await followServingPair(write(await issue('first')), files, () => now);
    write(await issue('second', { notBefore: new Date(now + hour) }));
    await expect.poll(() => told, soon).toHaveLength(1);
    expect(followed.current).toBe(first);
    now += hour + 1000;
    expect(nameOf(followed.current)).toBe('CN=second');
    now -= 2 * hour;
    expect(nameOf(followed.current)).toBe('CN=second');
  });

  it('stays no longer than it is valid itself', async () => {
    let now = Date.now();
    const first = await issue('first', { notAfter: new Date(now + hour) });
    const { followed } = await followServingPair(write(first), files, () => now);
    write(await issue('second', { notBefore: new Date(now + 3 * hour) }));
    await expect.poll(() => told, soon).toHaveLength(1);
    now += 2 * hour;
    expect(nameOf(followed.current)).toBe('CN=second');
  });

  it('may have expired when a server starts, as for kube-apiserver', async () => {
    const lapsed = { notBefore: new Date(Date.now() - 2 * hour), notAfter: new Date(Date.now() - hour) };
    const { followed } = await followServingPair(write(await issue('first', lapsed)), files);
    expect(nameOf(followed.current)).toBe('CN=first');
  });

  it('shows when the certificate in force expires', async () => {
    const at = (days: number): Date => new Date(Math.floor(Date.now() / 1000) * 1000 + days * 24 * hour);
    const pair = write(await issue('first', { notAfter: at(1) }));
    await followServingPair(pair, files);
    const [shown] = files.certificates;
    expect(shown).toMatchObject({ flag: '--tls-cert-file', file: pair.certificateFile });
    expect(shown?.expiresAt).toBe(at(1).getTime());
    write(await issue('second', { notAfter: at(2) }));
    await expect.poll(() => shown?.expiresAt, soon).toBe(at(2).getTime());
  });
});
