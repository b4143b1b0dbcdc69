import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { createCredentials, outputOf, repository, startCommand, statusOf, type Started } from './commands.js';
import { isSkippedWithout } from './prometheus-programs.js';
import { exampleReadme, scriptWith } from './readme.js';
import { RunningPrometheus } from './running-prometheus.js';

const example = join(repository, 'examples/workspace-metrics');
const readme = exampleReadme('workspace-metrics');
const steps = readme.transcripts.flat();
const ofPrometheus = steps.filter(({ command }) => command.includes('9090'));

describe('the API server with workspaces of the examples', () => {
  const directory = temporaryDirectory();
  let credentials: string;
  let server: Started;
  beforeAll(async () => {
    credentials = join(directory.path, 'credentials');
    await createCredentials(credentials);
    await outputOf(`${join(example, 'create-token.sh')} .`, credentials);
    cpSync(join(example, 'workspaces'), join(directory.path, 'workspaces'), { recursive: true });
    const script = scriptWith(readme, 'server.mjs')
      .replaceAll('/tmp/kcp-example', directory.path)
      .replace('examples/workspace-metrics/workspaces', join(directory.path, 'workspaces'))
      .replace('PORT=8443', 'PORT=0');
    server = await startCommand(script, /listening on https:\/\/127\.0\.0\.1:(\d+)/);
  });
  const here = (text: string): string => text.replaceAll('localhost:8443', `localhost:${server.found}`);
  const scrape = (cluster: string, user?: string): Promise<number> =>
    statusOf(here(`https://localhost:8443/clusters/${cluster}/metrics`), credentials, user);

  it('prints what its README shows', async () => {
    expect([steps.length, ofPrometheus.length]).toEqual([11, 1]);
    for (const { command, output } of steps) {
      if (command.includes('9090')) continue;
      expect(await outputOf(here(command), credentials), command).toBe(here(output));
    }
  });

  it.each([
    ['alice', [200, 403, 403]],
    ['bob', [403, 200, 403]],
    ['carol', [403, 403, 200]],
    ['mallory', [403, 403, 403]],
    ['admin', [200, 200, 200]],
    // A server's certificate is no client's.
    ['server', [401, 401, 401]],
  ])('lets %s read the metrics of shop, mail and wiki: %j', async (user, expected) => {
    expect(await Promise.all(['1shop', '1mail', '1wiki'].map((name) => scrape(name, user)))).toEqual(
      expected,
    );
  });

  describe.skipIf(isSkippedWithout('examples/workspace-metrics', 'prometheus', 'promtool'))(
    'Prometheus with service discovery',
    () => {
      /** By the user of its credentials. */
      const running = new Map<string, RunningPrometheus>();
      beforeAll(async () => {
        const files = [
          ['alice', 'prometheus.yml'],
          ['bob', 'prometheus.yml'],
          ['wiki', 'prometheus-wiki.yml'],
          ['mallory', 'prometheus.yml'],
        ] as const;
        await Promise.all(
          files.map(async ([user, file]) => {
            const text = here(readFileSync(join(example, file), 'utf8'))
              .replaceAll('credentials/alice', `credentials/${user}`)
              .replace('scrape_interval: 30s', 'scrape_interval: 500ms\n  scrape_timeout: 500ms')
              .replace(/^( +)- url: .*/m, '$&\n$1  refresh_interval: 500ms');
            const config = directory.write(`${user}.yml`, text);
            await outputOf(`promtool check config ${config}`, directory.path);
            mkdirSync(join(directory.path, user));
            running.set(user, await RunningPrometheus.start(config, join(directory.path, user)));
          }),
        );
      });
      /** The workspaces of all that it has ever scraped, and of its targets. */
      const seenBy = async (user: string): Promise<readonly string[]> => {
        const prometheus = running.get(user);
        const series = (await prometheus?.query('count by (cluster) ({cluster!=""})')) ?? [];
        const targets = (await prometheus?.targets()) ?? [];
        return [
          ...series.map(({ metric }) => metric['cluster'] ?? ''),
          ...targets.map(({ labels, health }) => `${labels['workspace'] ?? ''} ${health}`),
        ];
      };

      it.each([
        ['alice', ['1shop', 'root:shop up']],
        ['bob', ['1mail', 'root:mail up']],
        ['wiki', ['1wiki', 'root:wiki up']],
      ])('finds for %s their workspace alone', async (user, expected) => {
        await expect.poll(() => seenBy(user), { timeout: 20_000, interval: 100 }).toEqual(expected);
      });

      it('shows what the README shows', async () => {
        for (const { command, output } of ofPrometheus) {
          const asked = command.replace('127.0.0.1:9090', running.get('alice')?.address ?? '');
          expect(await outputOf(asked, directory.path)).toBe(here(output));
        }
      });

      it('finds nothing for a stranger until it is granted, and again once that is taken back', async () => {
        expect(await seenBy('mallory')).toEqual([]);
        const grant = readFileSync(join(example, 'workspaces/shop.yaml'), 'utf8')
          .split('---\n')
          .slice(1)
          .join('---\n')
          .replace('name: workspace-admin', 'name: reader')
          .replace('name: alice', 'name: mallory');
        const file = directory.write('workspaces/reader.yaml', grant);
        await expect
          .poll(() => seenBy('mallory'), { timeout: 20_000, interval: 100 })
          .toEqual(['1shop', 'root:shop up']);
        rmSync(file);
        await expect.poll(() => seenBy('mallory'), { timeout: 20_000, interval: 100 }).toEqual([]);
      });
    },
  );
});
