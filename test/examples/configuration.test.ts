import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { createCredentials, outputOf, repository, startCommand, statusOf } from './commands.js';
import { exampleReadme, scriptWith } from './readme.js';

const readme = exampleReadme('configuration');
const [steps = []] = readme.transcripts;
const listening = /"url":"https:\/\/127\.0\.0\.1:(\d+)"/;

describe('the configuration files of the examples', () => {
  const directory = temporaryDirectory();
  let credentials: string;
  beforeAll(async () => {
    credentials = join(directory.path, 'credentials');
    await createCredentials(credentials);
    cpSync(join(repository, 'examples/configuration'), join(directory.path, 'configuration'), {
      recursive: true,
    });
    const shard = join(directory.path, 'configuration/shard.yaml');
    writeFileSync(shard, readFileSync(shard, 'utf8').replace('securePort: 6443', 'securePort: 0'));
  });
  /** Runs a script of the README, on a free port. */
  const start = async (script: string): Promise<string> => {
    const here = script
      .replaceAll('/tmp/kcp-example', directory.path)
      .replace('--secure-port=6445', '--secure-port=0');
    return (await startCommand(here, listening)).found;
  };

  it('start a shard that prints what the README shows', async () => {
    const port = await start(scriptWith(readme, 'shard.yaml'));
    expect(steps).toHaveLength(2);
    for (const { command, output } of steps) {
      expect(await outputOf(command.replace('6443', port), credentials), command).toBe(output);
    }
    const exposition = readFileSync(join(credentials, 'exposition.txt'), 'utf8');
    expect(exposition).not.toMatch(/^nodejs_gc_/m);
  });

  it('read a token that ends without a line feed, which Telegraf would send', () => {
    expect(readFileSync(join(credentials, 'prometheus.token'), 'utf8')).toMatch(/^[0-9a-f]{64}$/);
  });

  it('start a cache server', async () => {
    const port = await start(scriptWith(readme, 'cache-server.yaml'));
    const url = `https://localhost:${port}`;
    expect(await statusOf(`${url}/metrics`, credentials, 'admin')).toBe(200);
    expect(await statusOf(`${url}/metrics`, credentials, 'mallory')).toBe(403);
    expect(await statusOf(`${url}/readyz`, credentials)).toBe(200);
  });

  it.each(['shard.yaml', 'cache-server.yaml'])('%s has no error to doctor', async (file) => {
    const { code, stdout } = await runCli([
      'doctor',
      '--config',
      join(directory.path, 'configuration', file),
    ]);
    expect(code, stdout).toBeLessThan(2);
  });
});
