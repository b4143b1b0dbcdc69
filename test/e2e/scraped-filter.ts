import { expect } from 'vitest';
import type { ConnectionOptions } from 'node:tls';
import type { ControlPlane } from './control-plane.js';
import { FilterUnderTest } from './filter-under-test.js';
import { Scrapes } from './scrapes.js';

/**
 * Who scrapes: `steady` may all the time, `revoked` may until a test unbinds them, `granted` may not until a test
 * binds them, and `stranger` never may.
 */
const scrapers = ['steady', 'revoked', 'granted', 'stranger'] as const;
export type Scraper = (typeof scrapers)[number];

/** A heap that has not been collected as a whole since the start may well grow by 80. */
const maxGrowthMebibytes = 128;

/** Scraping is granted by a binding each. */
export class ScrapeGrants {
  static readonly #role = 'scraper';

  constructor(private readonly controlPlane: ControlPlane) {}

  /** As every test finds it: by the end of a test much may be otherwise. */
  async reset(): Promise<void> {
    await this.controlPlane.clusterRoles.replace({
      name: ScrapeGrants.#role,
      rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }],
    });
    await this.bind('steady');
    await this.bind('revoked');
    const names = await this.controlPlane.clusterRoleBindings.names();
    if (names.includes('granted')) await this.unbind('granted');
  }

  /** `revoked` loses what they had, and `granted` gets what they had not. */
  async change(): Promise<void> {
    await this.unbind('revoked');
    await this.bind('granted');
  }

  /** Resolves when the API server has acknowledged it; so does `unbind`. */
  async bind(scraper: Scraper): Promise<void> {
    await this.controlPlane.clusterRoleBindings.replace({
      name: scraper,
      role: ScrapeGrants.#role,
      subjects: [{ kind: 'User', name: scraper }],
    });
  }

  async unbind(scraper: Scraper): Promise<void> {
    await this.controlPlane.clusterRoleBindings.delete(scraper);
  }
}

/** A filter in step with its source, and scrapes of it that go on until `stop()`. */
export class ScrapedFilter {
  /** @param kubeconfig Of an API server with the grants as `reset` makes them. */
  static async start(kubeconfig: string): Promise<ScrapedFilter> {
    const filter = await FilterUnderTest.start(kubeconfig);
    try {
      const connections = new Map<string, ConnectionOptions>();
      for (const scraper of scrapers) connections.set(scraper, await filter.connectionOf(scraper));
      await filter.inStep();
      const scrapes = new Scrapes({ port: filter.port, scrapers: connections });
      await scrapes.more();
      return new ScrapedFilter(filter, scrapes, await filter.residentMebibytes());
    } catch (error) {
      await filter.stop();
      throw error;
    }
  }

  private constructor(
    readonly filter: FilterUnderTest,
    readonly scrapes: Scrapes,
    /** Before anything was done to it. */
    readonly residentMebibytes: number,
  ) {}

  async stop(): Promise<void> {
    await this.scrapes.stop();
    await this.filter.stop();
  }
}

/** That no fault has harmed it: who is allowed was served, who is not was not, and nothing has leaked or broken. */
export async function expectUnharmed(scraped: ScrapedFilter): Promise<void> {
  await scraped.scrapes.more();
  expect(scraped.scrapes.failuresOf('steady')).toEqual([]);
  expect(scraped.scrapes.servedTo('stranger')).toEqual([]);
  await expectSound(scraped);
}

/** That its memory has not grown much, and that it has logged nothing but what it means to say. */
export async function expectSound({ filter, residentMebibytes }: ScrapedFilter): Promise<void> {
  expect(await filter.residentMebibytes()).toBeLessThan(residentMebibytes + maxGrowthMebibytes);
  const lines = filter.log().trimEnd().split('\n');
  // A stack trace, or what Node writes of an unhandled rejection, is not in JSON.
  expect(lines.filter((line) => !line.startsWith('{"level":'))).toEqual([]);
  expect(lines.filter((line) => /unhandled|request failed/i.test(line))).toEqual([]);
}

/** That a revocation and a grant, made before, hold since it said that it was in step. */
export async function expectCaughtUp({ scrapes }: ScrapedFilter, inStepAt: number): Promise<void> {
  await scrapes.more();
  expect(scrapes.servedTo('revoked', { from: inStepAt })).toEqual([]);
  expect(scrapes.failuresOf('granted', { from: inStepAt })).toEqual([]);
}
