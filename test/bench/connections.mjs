import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from './measure.mjs';
import { duration } from './report.mjs';
import { openConnections } from './scraping-connections.mjs';
import { forked, startedFilter } from './started.mjs';

const counts = { idle: 5000, slowHeaders: 400, stalledReaders: 100 };
/** Of each process; raised nowhere. */
const neededDescriptors = 12_000;
const scrapeEveryMs = 40;
const roundMs = 12_000;
const goalRatio = 2;
const token = 'b6c1d4f0a9e24b6c8d3e';
const readerTokens = Array.from({ length: 20 }, (_, at) => `${token}-reader-${at}`);

/** One scraper at a steady rate, of the built command in a process of its own, while thousands of others are connected. */
export async function connectionsSection() {
  const title = `Connections in masses: ${counts.idle} idle, ${counts.slowHeaders} that send headers a byte at a time, ${counts.stalledReaders} that take nothing`;
  const limit = process.report.getReport().userLimits.open_files.hard;
  if (limit !== 'unlimited' && limit < neededDescriptors) {
    const figures = `not run: needs ${neededDescriptors} descriptors a process, and ulimit -Hn is ${limit}`;
    return { title, rows: [{ what: 'one scraper', figures }] };
  }
  const directory = mkdtempSync(join(tmpdir(), 'kcp-metrics-filter-bench-'));
  const started = [];
  try {
    const applications = [
      forked('upstream-application.mjs', started),
      forked('upstream-application.mjs', started),
    ];
    const ports = [];
    for (const [at, bytes] of [40_000, 2_100_000].entries()) {
      applications[at].send({ bytes });
      const [{ port }] = await once(applications[at], 'message');
      ports.push(port);
    }
    const port = await startFilter(directory, ports, started);
    const [scraper] = await openConnections(1, port, { headers: `Authorization: Bearer ${token}\r\n` });
    await scrapes(scraper, roundMs / 4);
    const before = await scrapes(scraper, roundMs);
    const masses = forked('connections-clients.mjs', started);
    masses.send({ port, counts, readerTokens });
    const [{ openingMs }] = await once(masses, 'message');
    await pause(1000);
    const during = await scrapes(scraper, roundMs);
    const held = once(masses, 'message');
    masses.send('count');
    const [{ open }] = await held;
    masses.kill();
    await once(masses, 'exit');
    await pause(2000);
    const after = await scrapes(scraper, roundMs);
    scraper.close();
    return { title, rows: rows({ before, during, after, openingMs, open }) };
  } finally {
    for (const child of started) child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

function rows({ before, during, after, openingMs, open }) {
  const quiet = [...before, ...after];
  const ratio = percentile(during, 0.99) / percentile(quiet, 0.99);
  const figures = (values) =>
    `${duration(percentile(values, 0.5) * 1e6)} / ${duration(percentile(values, 0.99) * 1e6)}`;
  const slow = counts.slowHeaders + counts.stalledReaders;
  return [
    {
      what: 'one scraper alone, before and after; p50 / p99',
      figures: `${figures(before)}, ${figures(after)}`,
    },
    { what: 'connections opened', figures: `${counts.idle + slow} in ${(openingMs / 1000).toFixed(1)} s` },
    {
      what: '  of them open at the end of the round',
      figures: `${open.idle} idle, ${open.slow} slow`,
      goal: 'all',
      // Of those that come back, a few are on their way.
      met: open.idle === counts.idle && open.slow >= 0.95 * slow,
    },
    {
      what: 'one scraper among them; p50 / p99',
      figures: `${figures(during)}: p99 × ${ratio.toFixed(2)}`,
      goal: `p99 at most × ${goalRatio}`,
      met: ratio <= goalRatio,
    },
  ];
}

/** How long each took (ms), from when it was due. */
async function scrapes(scraper, forMs) {
  const took = [];
  const started = performance.now();
  for (let dueAt = started; dueAt < started + forMs; dueAt += scrapeEveryMs) {
    await pause(Math.max(0, dueAt - performance.now()));
    const sentAt = performance.now();
    // Its deadline is over at once: one scrape.
    await scraper.run(0);
    took.push(performance.now() - Math.min(dueAt, sentAt));
  }
  return took;
}

async function startFilter(directory, [small, large], started) {
  const tokens = join(directory, 'tokens.csv');
  writeFileSync(
    tokens,
    [token, ...readerTokens].map((each, at) => `${each},scraper-${at},${at},monitoring`).join('\n'),
    { mode: 0o600 },
  );
  const { port } = await startedFilter(
    [
      '--mode=shard',
      '--bind-address=127.0.0.1',
      '--secure-port=0',
      `--rbac-dir=${directory}`,
      `--token-auth-file=${tokens}`,
      '--authorization-always-allow-groups=monitoring',
      `--upstream=http://127.0.0.1:${small}/metrics`,
      `--upstream-path=/metrics/large=http://127.0.0.1:${large}/metrics`,
    ],
    started,
  );
  return port;
}
