import { join } from 'node:path';
import { afterEach, beforeAll, expect, it } from 'vitest';
import type { ControlPlane } from './control-plane.js';
import { inWords, printFigure } from './figures.js';
import { FilterUnderTest } from './filter-under-test.js';
import { onEveryControlPlane } from './on-every-control-plane.js';
import { grantPolicyReader } from './policy-reader.js';
import { Scrapes, type Scrape } from './scrapes.js';
import { elapsed, own, Stopwatch, type Duration } from './stopwatch.js';

const rounds = 100;
const scrapesPerSecond = 250;
const goalMs = 250;
const boundMs = 1_000;

onEveryControlPlane('from a change at the API server to the scrape that meets it', (start) => {
  let controlPlane: ControlPlane;
  let filter: FilterUnderTest | undefined;
  let scrapes: Scrapes | undefined;
  beforeAll(async () => {
    controlPlane = await start();
    await grantPolicyReader(controlPlane, 'policy-reader');
    await controlPlane.clusterRoles.create({
      name: 'scraper',
      rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }],
    });
  });
  afterEach(async () => {
    await scrapes?.stop();
    await filter?.stop();
  });

  const startScrapes = async (name: string): Promise<Scrapes> => {
    filter = await FilterUnderTest.start(
      controlPlane.kubeconfigFor({
        user: { certificate: await controlPlane.issueClient('policy-reader', groupsOf(controlPlane)) },
        file: join(controlPlane.directory, 'policy-reader.kubeconfig'),
      }),
    );
    await filter.inStep();
    const scrapers = new Map([[name, await filter.connectionOf(name)]]);
    scrapes = new Scrapes({ port: filter.port, scrapers, perSecond: scrapesPerSecond });
    return scrapes;
  };
  const expectSoon = (what: string, delays: readonly Duration[]): void => {
    const isReached = elapsed(delays).p99 < goalMs ? 'reached' : 'missed';
    printFigure(`${what}: ${inWords(elapsed(delays))}; the goal, a p99 below ${goalMs} ms, is ${isReached}`);
    expect(own(delays).p99).toBeLessThan(boundMs);
  };

  it('a revocation is met within a moment, and so is a grant', async () => {
    const name = 'prometheus';
    const scraped = await startScrapes(name);
    /** From the acknowledgement of a change to the answer that shows it; 0 where the answer came first. */
    const delayOf = async (change: Promise<unknown>, answer: number): Promise<Duration> => {
      const from = performance.now();
      await change;
      const stopwatch = new Stopwatch();
      const { answeredAt } = await scraped.first(name, answer, from);
      return stopwatch.read(answeredAt);
    };
    const grants: Duration[] = [];
    const revocations: Duration[] = [];
    const { clusterRoleBindings } = controlPlane;
    const binding = { name, role: 'scraper', subjects: [{ kind: 'User' as const, name }] };
    await scraped.first(name, 403);
    const from = performance.now();
    for (let round = 0; round < rounds; round += 1) {
      grants.push(await delayOf(clusterRoleBindings.create(binding), 200));
      revocations.push(await delayOf(clusterRoleBindings.delete(name), 403));
    }
    expectSoon('from a revocation to the first 403', revocations);
    expectSoon('from a grant to the first 200', grants);
    // Each time the answers turn once, and never back.
    const turns = scraped.of(name, { from }).filter(isTurn);
    expect(turns.map(({ answer }) => answer)).toEqual(Array(rounds).fill([200, 403]).flat());
  });
});

/** kcp's cache server grants by no RBAC of its own, nor a shard in `system:admin`: only system:masters may read there. */
function groupsOf({ name }: ControlPlane): readonly string[] {
  return ['kcp cache server', 'kcp second shard'].includes(name) ? ['system:masters'] : [];
}

/** Whether a scrape is answered otherwise than the one before it. */
function isTurn({ answer }: Scrape, at: number, all: readonly Scrape[]): boolean {
  return answer !== (all[at - 1]?.answer ?? 403);
}
