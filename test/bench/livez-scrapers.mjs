// Forked by livez.mjs: scrapers that each ask again as soon as they have read an answer to its end.
import { once } from 'node:events';
import { Agent, get } from 'node:https';

const figures = { scrapes: 0, refused: 0, bytes: 0 };

// Also where whoever forked it was killed.
process.once('disconnect', () => process.exit());

/** `headers`: of each scraper his own. */
process.once('message', async ({ port, headers }) => {
  const scrapers = headers.map((own) => scraper(port, own));
  await Promise.all(scrapers.map((scrape) => scrape()));
  process.on('message', () => process.send(figures));
  process.send('scraping');
  await Promise.all(
    scrapers.map(async (scrape) => {
      for (;;) await scrape();
    }),
  );
});

/** On a connection of its own. */
function scraper(port, headers) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  return async () => {
    const [response] = await once(
      get({ host: '127.0.0.1', port, path: '/metrics', headers, agent }),
      'response',
    );
    let bytes = 0;
    response.on('data', (data) => {
      bytes += data.length;
    });
    await once(response, 'end');
    if (response.statusCode === 200) {
      figures.scrapes += 1;
      figures.bytes = bytes;
    } else figures.refused += 1;
  };
}
