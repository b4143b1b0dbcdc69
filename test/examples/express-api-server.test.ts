import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { createCredentials, outputOf, repository, startCommand, statusOf, type Started } from './commands.js';
import { exampleReadme, scriptWith } from './readme.js';

const readme = exampleReadme('express-api-server');

describe('the Express API server of the examples', () => {
  const directory = temporaryDirectory();
  let credentials: string;
  let server: Started;
  beforeAll(async () => {
    credentials = join(directory.path, 'credentials');
    await createCredentials(credentials);
    cpSync(join(repository, 'examples/express-api-server/rbac'), join(directory.path, 'rbac'), {
      recursive: true,
    });
    const script = scriptWith(readme, 'server.mjs')
      .replaceAll('/tmp/kcp-example', directory.path)
      .replace('examples/express-api-server/rbac', join(directory.path, 'rbac'))
      .replace('PORT=8443', 'PORT=0');
    server = await startCommand(script, /listening on https:\/\/127\.0\.0\.1:(\d+)/);
  });
  const at = (path: string): string => `https://localhost:${server.found}${path}`;

  it('prints what its README shows', async () => {
    const steps = readme.transcripts.flat();
    expect(steps).toHaveLength(8);
    for (const { command, output } of steps) {
      const here = command.replace('localhost:8443', `localhost:${server.found}`);
      expect(await outputOf(here, credentials), command).toBe(output);
    }
  });

  it.each([
    ['/metrics', 'admin', 200],
    ['/metrics', 'alice', 403],
    ['/METRICS', 'prometheus', 404],
    ['/metrics/', 'prometheus', 403],
    ['/debug/state', undefined, 401],
    ['/debug/state', 'admin', 200],
    ['/debug/state/', 'alice', 404],
    ['/DEBUG/state', 'alice', 404],
    ['/clusters/root/debug/state', 'alice', 404],
    ['/api/v1/hello', 'mallory', 200],
  ])('answers GET %s by %s with %i', async (path, user, status) => {
    expect(await statusOf(at(path), credentials, user)).toBe(status);
  });

  it('refuses a server certificate as a client', async () => {
    expect(await statusOf(at('/metrics'), credentials, 'server')).toBe(401);
    expect(await statusOf(at('/api/v1/hello'), credentials, 'server')).toBe(200);
  });

  it('takes back a right when its manifest goes, without a restart', async () => {
    expect(await statusOf(at('/debug/state'), credentials, 'alice')).toBe(200);
    rmSync(join(directory.path, 'rbac/debug-reader.yaml'));
    await expect
      .poll(() => statusOf(at('/debug/state'), credentials, 'alice'), { timeout: 15_000, interval: 50 })
      .toBe(403);
    expect(await statusOf(at('/metrics'), credentials, 'prometheus')).toBe(200);
  });
});
