import { describe, expect, it } from 'vitest';
import { delivery, renderingLimitOf, sharingOf } from '../../src/options/exposition-options.js';
import type { GivenOptions } from '../../src/options/option.js';
import { renderingOf, scriptedExposition } from '../exposition/delivery/scripted-source.js';

async function setting(values: GivenOptions) {
  const told: (string | number)[] = [];
  const places = await renderingLimitOf(values, {
    refusedScrape: () => told.push('refused'),
    renderingsInFlight: (underWay) => told.push(underWay),
  });
  const served = await sharingOf(values, { scrapeFrom: (origin) => told.push(origin) }, places);
  const sources = [scriptedExposition(), scriptedExposition()] as const;
  return { told, sources, first: served(sources[0]), second: served(sources[1]) };
}

const request = { accept: '' };

describe('the flags that bound what concurrent scrapes cost', () => {
  it('are one bound for all paths together', async () => {
    const { told, first, second } = await setting({ maxScrapesInFlight: '2' });
    void first.render({ ...request, scraper: 'a' });
    void second.render({ ...request, scraper: 'b' });
    await expect(second.render({ accept: 'a', scraper: 'c' })).rejects.toThrow(
      'limit of concurrent scrapes reached (2)',
    );
    expect(told).toEqual(['rendered', 1, 'rendered', 2, 'rendered', 'refused']);
  });

  it('share no rendering between paths', async () => {
    const { sources, first, second } = await setting({});
    void first.render(request);
    void second.render(request);
    expect(sources.map(({ renderings }) => renderings.length)).toEqual([1, 1]);
  });

  it('keep what is finished as long as they say', async () => {
    const { told, sources, first } = await setting({ scrapeFreshness: '1m' });
    const scrape = first.render(request);
    renderingOf(sources[0]).whole('a 1\n');
    await scrape;
    await first.render(request);
    expect(told).toEqual(['rendered', 1, 0, 'kept']);
  });

  it.each<[GivenOptions, number]>([
    [{ authHeaderFieldsEnabled: true }, 2],
    [{ tenantHeader: ['x=cn'] }, 2],
    [{}, 1],
  ])('tell users apart where an answer may depend on them: %j', async (values, renderings) => {
    const { sources, first } = await setting(values);
    for (const name of ['a', 'b']) void first.render({ ...request, user: { name, groups: [] } });
    expect(sources[0].renderings).toHaveLength(renderings);
  });

  it('give a client ten seconds to take something, and five minutes for all', () => {
    expect(delivery.read({})).toMatchObject({ scrapeWriteTimeout: 10_000, scrapeDeadline: 300_000 });
  });
});
