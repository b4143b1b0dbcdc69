import { once } from 'node:events';
import { connect } from 'node:tls';
import { beforeEach, describe, expect, it } from 'vitest';
import { createAuthority, type Authority, type IssuedCertificate } from '../support/certificate-authority.js';
import { keyPairOf, RawClient } from '../support/raw-tls.js';
import { startCli } from '../support/started-server.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

const soon = { timeout: 10_000, interval: 50 };
const day = 86_400_000;

let directory: TemporaryDirectory;
let authority: Authority;
beforeEach(async () => {
  directory = temporaryDirectory();
  authority = await createAuthority({ commonName: 'ca', notAfter: new Date(Date.now() + 100.5 * day) });
});

const issue = (commonName: string, days: number): Promise<IssuedCertificate> =>
  authority.issue({
    commonName,
    usage: 'serverAuth',
    dnsNames: [commonName],
    notAfter: new Date(Date.now() + (days + 0.5) * day),
  });

function write(
  name: string,
  { certificatePem, privateKeyPem }: IssuedCertificate,
): readonly [string, string] {
  return [directory.write(`${name}.crt`, certificatePem), directory.write(`${name}.key`, privateKeyPem)];
}

/** The CN of the certificate that a new connection gets. */
async function servedTo(port: number, servername?: string): Promise<string> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ...(servername === undefined ? {} : { servername }),
  });
  await once(socket, 'secureConnect');
  const { CN = '' } = socket.getPeerCertificate().subject;
  socket.destroy();
  return [CN].flat().join();
}

/** What a scrape says of how long the certificate of a file lasts. */
function daysLeft(metrics: string, flag: string, file: string): number {
  const series = `kcp_metrics_filter_certificate_expiration_timestamp_seconds{flag="${flag}",file="${file}"} `;
  const [, rest = ''] = metrics.split(series);
  return Math.floor((Number.parseFloat(rest) * 1000 - Date.now()) / day);
}

describe('start with pairs that are replaced while it runs', () => {
  it('serves the new ones, keeps the old ones where those are bad, and tells of both', async () => {
    const [certificate, key] = write('tls', await issue('default.example', 10));
    const [sniCertificate, sniKey] = write('sni', await issue('a.example', 20));
    const clientCa = directory.write('ca.crt', authority.certificatePem);
    const server = await startCli([
      '--mode=shard',
      `--tls-cert-file=${certificate}`,
      `--tls-private-key-file=${key}`,
      `--tls-sni-cert-key=${sniCertificate},${sniKey}`,
      `--tls-sni-cert-key=${sniCertificate},${sniKey}:*.b.example,c.example`,
      `--client-ca-file=${clientCa}`,
    ]);
    const { port } = server;
    const names = ['a.example', 'x.b.example', 'c.example', 'd.example', undefined];
    expect(await Promise.all(names.map((name) => servedTo(port, name)))).toEqual([
      'a.example',
      'a.example',
      'a.example',
      'default.example',
      'default.example',
    ]);
    const pair = await authority.issue({
      commonName: 'admin',
      organizations: ['system:masters'],
      usage: 'clientAuth',
    });
    const client = new RawClient({ port, ...keyPairOf(pair) });
    const metrics = async (): Promise<string> => (await client.request('/metrics')).body;
    const before = await metrics();
    for (const [flag, file, days] of [
      ['--tls-cert-file', certificate, 10],
      ['--tls-sni-cert-key', sniCertificate, 20],
      ['--client-ca-file', clientCa, 100],
    ] as const) {
      expect(daysLeft(before, flag, file)).toBe(days);
      // The alert on a file that is refused goes by an increase, and the first one counts.
      expect(before).toContain(`file_reloads_total{flag="${flag}",result="failure"} 0\n`);
    }

    directory.write('tls.key', (await issue('other.example', 1)).privateKeyPem);
    await expect
      .poll(metrics, soon)
      .toContain('kcp_metrics_filter_file_reloads_total{flag="--tls-cert-file",result="failure"} 1\n');
    expect(await servedTo(port)).toBe('default.example');

    write('tls', await issue('new-default.example', 30));
    write('sni', await issue('new-a.example', 40));
    await expect.poll(() => servedTo(port), soon).toBe('new-default.example');
    await expect.poll(() => servedTo(port, 'c.example'), soon).toBe('new-a.example');
    await expect.poll(() => servedTo(port, 'new-a.example'), soon).toBe('new-a.example');
    expect(await servedTo(port, 'a.example')).toBe('new-default.example');
    const after = await metrics();
    expect(after).toContain('file_reloads_total{flag="--tls-cert-file",result="success"} 1\n');
    expect(daysLeft(after, '--tls-cert-file', certificate)).toBe(30);
    const told = server.log().split('\n');
    expect(told.filter((line) => line.includes('is not the key of'))).toHaveLength(1);
    expect(server.log()).not.toContain('BEGIN');
  });
});
