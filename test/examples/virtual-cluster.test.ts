import { createPrivateKey } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SignJWT } from 'jose';
import { listen, type Listening } from '../support/listening.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { createCredentials, outputOf, repository, startCommand, type Started } from './commands.js';
import { exampleReadme, scriptWith } from './readme.js';

const readme = exampleReadme('virtual-cluster');
const issuer = 'https://team-a.example.org';
const hostMetrics = readFileSync(join(repository, 'examples/virtual-cluster/host-metrics.txt'), 'utf8');

describe('the virtual cluster of the examples', () => {
  const directory = temporaryDirectory();
  let credentials: string;
  let host: Listening;
  let exposition = hostMetrics;
  let filter: Started;

  beforeAll(async () => {
    credentials = join(directory.path, 'credentials');
    await createCredentials(credentials);
    cpSync(join(repository, 'examples/virtual-cluster'), join(directory.path, 'virtual-cluster'), {
      recursive: true,
    });
    const keys = scriptWith(readme, 'openssl')
      .split('\n')
      .filter((line) => line.startsWith('openssl'));
    await outputOf(keys.join('\n').replaceAll('/tmp/kcp-example', directory.path), repository);
    writeFileSync(join(credentials, 'owner.token'), await tokenOf('prometheus'));
    writeFileSync(join(credentials, 'other.token'), await tokenOf('other'));
    host = await listen(
      createServer((_request, response) => {
        response.setHeader('Content-Type', 'text/plain; version=0.0.4; charset=utf-8').end(exposition);
      }),
    );
    const settings = `DIRECTORY=${directory.path} SECURE_PORT=0 UPSTREAM=http://127.0.0.1:${host.port}/metrics`;
    filter = await startCommand(
      `${settings} ${scriptWith(readme, 'start-filter.sh').trim()}`,
      /"url":"https:\/\/127\.0\.0\.1:(\d+)"/,
    );
  });

  /** As the API server of the virtual cluster signs it. */
  function tokenOf(name: string, key = 'sa.key'): Promise<string> {
    const pem = readFileSync(join(directory.path, 'virtual-cluster', key));
    const uid = `uid-of-${name}`;
    return new SignJWT({ 'kubernetes.io': { namespace: 'monitoring', serviceaccount: { name, uid } } })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(issuer)
      .setAudience(issuer)
      .setSubject(`system:serviceaccount:monitoring:${name}`)
      .setIssuedAt()
      .setNotBefore('0s')
      .setExpirationTime('1h')
      .sign(createPrivateKey(pem));
  }
  const scrape = (): Promise<string> => {
    const token = '-H "Authorization: Bearer $(cat owner.token)"';
    return outputOf(
      `curl -s --cacert ca.crt ${token} https://localhost:${filter.found}/metrics`,
      credentials,
    );
  };

  it('prints what its README shows', async () => {
    const steps = readme.transcripts.flat();
    expect(steps).toHaveLength(3);
    for (const { command, output } of steps) {
      const here = command.replace('localhost:6446', `localhost:${filter.found}`);
      expect(await outputOf(here, credentials), command).toBe(output);
    }
  });

  it('shows nothing of anybody else: no name of the host’s, no value', async () => {
    const text = await scrape();
    expect(hostMetrics).toMatch(/team-b[^]*kube-system[^]*kubelet/);
    expect(text).not.toMatch(/team-|host-|kube|secret|20971520|73400320|start_time/);
  });

  it('follows the names of pods that come', async () => {
    const names = join(directory.path, 'virtual-cluster/names.yaml');
    exposition = `${hostMetrics.split('# HELP container_start')[0] ?? ''}container_memory_working_set_bytes{namespace="default-x-team-a",pod="new-0-x-default-x-team-a",node="host-1"} 1\n`;
    expect(await scrape()).not.toContain('new-0');
    writeFileSync(names, `${readFileSync(names, 'utf8')}    new-0-x-default-x-team-a: new-0\n`);
    await expect
      .poll(scrape, { timeout: 15_000, interval: 50 })
      .toContain('container_memory_working_set_bytes{namespace="default",pod="new-0"} 1');
    exposition = hostMetrics;
  });

  it('knows nobody whose token another cluster has signed', async () => {
    await outputOf(
      'openssl ecparam -name prime256v1 -genkey -noout -out virtual-cluster/host.key',
      directory.path,
    );
    writeFileSync(join(credentials, 'host.token'), await tokenOf('prometheus', 'host.key'));
    const ask = `curl -s -o refused.txt -w '%{http_code}' --cacert ca.crt -H "Authorization: Bearer $(cat host.token)"`;
    expect(await outputOf(`${ask} https://localhost:${filter.found}/metrics`, credentials)).toBe('401');
  });
});
