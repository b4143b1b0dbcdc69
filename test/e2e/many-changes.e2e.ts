import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openApiClient } from '../../src/kubernetes/kubeconfig/kubeconfig-client.js';
import { requestJson } from '../../src/kubernetes/api-client.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';
import type { ControlPlane } from './control-plane.js';
import { startEventGenerator, type EventGenerator } from './event-generator.js';
import { inWords, printFigure } from './figures.js';
import { kubeApiserver } from './kube-apiserver.js';
import { writeKubeconfig } from './kubeconfig.js';
import { onControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import { expectCaughtUp, expectUnharmed, ScrapedFilter, ScrapeGrants } from './scraped-filter.js';
import { Stopwatch } from './stopwatch.js';

const burstSeconds = 5;
const applied = 'kcp_metrics_filter_policy_apply_duration_seconds_count';
const others = Array.from({ length: 1_000 }, (_, at) => `other-${at}`);

/** Changes that come as fast as they can, and one revocation in the middle of them. */
interface Burst {
  /** Goes on for `burstSeconds`; resolves to how many there were. */
  changeOthers(): Promise<number>;
  /** Unbinds `revoked` and binds `granted`. */
  changeGrants(): Promise<void>;
}

/** Prints how fast the revocation took effect. @returns how many other changes there were. */
async function expectFollowed(scraped: ScrapedFilter, burst: Burst): Promise<number> {
  const from = performance.now();
  const revoke = async (): Promise<Stopwatch> => {
    await setTimeout((burstSeconds / 2) * 1_000);
    await burst.changeGrants();
    return new Stopwatch();
  };
  const [count, stopwatch] = await Promise.all([burst.changeOthers(), revoke()]);
  const to = performance.now();
  await scraped.scrapes.first('revoked', 403);
  await scraped.scrapes.first('granted', 200);
  await expectCaughtUp(scraped, performance.now());
  await expectUnharmed(scraped);
  const [refused] = scraped.scrapes.failuresOf('revoked', { from });
  const delay = stopwatch.read(refused?.answeredAt ?? NaN);
  expect(delay.ownMs).toBeLessThan(2_000);
  printFigure(
    `${Math.round(count / burstSeconds)} changes a second for ${burstSeconds} s: a revocation took effect within ` +
      `${delay.elapsedMs.toFixed(0)} ms; scrapes ${inWords(scraped.scrapes.percentiles({ from, to }))}`,
  );
  return count;
}

describe('the policy amidst a thousand changes a second', () => {
  let generator: EventGenerator;
  let directory: TemporaryDirectory;
  let scraped: ScrapedFilter | undefined;
  beforeEach(async () => {
    generator = await startEventGenerator(['steady', 'revoked', ...others]);
    directory = temporaryDirectory();
  });
  afterEach(async () => {
    await scraped?.stop();
    await generator.close();
  });

  it('follows each of them, and a revocation at once', async () => {
    const kubeconfig = join(directory.path, 'kubeconfig');
    writeKubeconfig(kubeconfig, {
      server: generator.url,
      certificateAuthority: { pem: generator.certificateAuthority },
      user: { token: 'of-anybody' },
    });
    scraped = await ScrapedFilter.start(kubeconfig);
    const { filter } = scraped;
    const appliedBefore = (await filter.metrics()).sum(applied);
    const count = await expectFollowed(scraped, {
      async changeOthers() {
        const from = performance.now();
        let sent = 0;
        while (sent < burstSeconds * 1_000) {
          // As many as are due by now, however late the timer was.
          for (; sent < performance.now() - from; sent += 1) generator.bind(`other-${sent % others.length}`);
          await setTimeout(5);
        }
        return sent;
      },
      changeGrants() {
        generator.unbind('revoked');
        generator.bind('granted');
        return Promise.resolve();
      },
    });
    expect((await filter.metrics()).sum(applied) - appliedBefore).toBe(count + 2);
  });
});

onControlPlane(kubeApiserver, 'the policy amidst as many changes as a server can take', (start) => {
  let controlPlane: ControlPlane;
  let grants: ScrapeGrants;
  let scraped: ScrapedFilter | undefined;
  beforeAll(async () => {
    controlPlane = await start();
    grants = new ScrapeGrants(controlPlane);
    await grantPolicyReader(controlPlane, 'watcher');
    await grants.reset();
  });
  afterEach(() => scraped?.stop());

  it('follows a revocation at once', async () => {
    scraped = await ScrapedFilter.start(
      controlPlane.kubeconfigFor({
        user: { token: controlPlane.tokens.watcher },
        file: join(controlPlane.directory, 'policy-reader.kubeconfig'),
      }),
    );
    const client = await openApiClient({ kubeconfig: controlPlane.adminKubeconfig });
    const writers = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    for (const name of writers) {
      await controlPlane.clusterRoleBindings.create({
        name,
        role: 'scraper',
        subjects: [{ kind: 'User', name }],
      });
    }
    try {
      await expectFollowed(scraped, {
        async changeOthers() {
          const until = performance.now() + burstSeconds * 1_000;
          const write = async (name: string): Promise<number> => {
            let written = 0;
            for (; performance.now() < until; written += 1) {
              await requestJson(client, {
                method: 'PATCH',
                path: `${controlPlane.clusterRoleBindings.path}/${name}`,
                body: {
                  contentType: 'application/merge-patch+json',
                  json: { metadata: { annotations: { written: String(written) } } },
                },
              });
            }
            return written;
          };
          const written = await Promise.all(writers.map(write));
          return written.reduce((sum, count) => sum + count, 0);
        },
        changeGrants: () => grants.change(),
      });
    } finally {
      client.close();
    }
  });
});
