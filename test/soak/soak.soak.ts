import { setTimeout } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { percentiles } from '../e2e/figures.js';
import { RawClient } from '../support/raw-tls.js';
import { BadClients } from './bad-clients.js';
import { startBareServer } from './bare-server.js';
import { cast } from './cast.js';
import { Expected, graceMs } from './expected.js';
import { startFilter, type FilterProcess } from './filter-process.js';
import { injection } from './injection.js';
import { startLivePolicy } from './live-policy.js';
import { load, Samples } from './process-figures.js';
import { Scrapers, type Served } from './scrapers.js';
import { Secrets } from '../support/secrets.js';
import { startSetting } from './setting.js';
import { Storm } from './storm.js';
import { table, verdictsOf } from './verdicts.js';

const minutes = Number(process.env['SOAK_MINUTES'] ?? '10');
const stormMs = minutes * 60_000;
const quietMs = stormMs / 5;
const perSecond = 2;
/** What is compiled, filled and opened once is so by then. */
const warmUpMs = Math.min(20_000, stormMs / 4);
const flags = (process.env['SOAK_FLAGS'] ?? '').split(' ').filter((flag) => flag !== '');

it(
  `answers everybody as they must be through ${minutes} minutes of changes, restarts and bad clients`,
  { timeout: 1.3 * (stormMs + quietMs) + 180_000 },
  async () => {
    const secrets = new Secrets();
    const setting = await startSetting(secrets);
    onTestFinished(() => setting.stop());
    const live = await startLivePolicy(secrets);
    onTestFinished(() => live?.controlPlane.stop());
    const all = [...setting.flags, ...(live?.flags ?? []), ...flags];
    const filter = await startFilter(setting.directory.path, all);
    let isStopped = false;
    onTestFinished(async () => {
      if (!isStopped) await filter.stop();
    });
    const inStep = (): Promise<void> => untilReady(filter.port);
    await inStep();

    const queueIsUp = new Expected(true);
    const scrapers = new Scrapers({
      port: filter.port,
      servingAuthority: setting.servingAuthority,
      scrapers: injection.scrapers(cast(setting, live, secrets, queueIsUp)),
      perSecond,
    });
    const bare = await startBareServer(perSecond);
    onTestFinished(() => bare.stop());
    await setTimeout(warmUpMs / 4);
    const quietFrom = performance.now();
    const quiet = new Samples(filter.pid);
    await setTimeout(quietMs);
    quiet.stop();
    const stormFrom = performance.now();

    const storm = new Storm({ setting, live, queueIsUp, inStep });
    const badClients = new BadClients(filter.port, setting.steadyToken, secrets);
    const stopInjection = injection.start(filter, secrets);
    await setTimeout(warmUpMs);
    const samples = new Samples(filter.pid);
    await setTimeout(stormMs - warmUpMs);
    samples.stop();
    const stormTo = performance.now();
    const [bad] = await Promise.all([badClients.stop(), storm.stop()]);

    // As long as a change needs to be seen, and a closed connection to be given back.
    const after = new Samples(filter.pid);
    await setTimeout(3 * graceMs);
    after.stop();
    await scrapers.stop();
    stopInjection();
    isStopped = true;
    expect(await filter.stop()).toBe(0);

    const output = filter.output();
    const told = [...output].flatMap(([name, bytes]) =>
      secrets.foundIn(bytes).map((at) => `${name}, byte ${at}`),
    );
    const outsideStarts = ({ dueAt }: Served): boolean =>
      !storm.starts.some(({ from, to }) => dueAt >= from && dueAt <= to);
    const took = ({ served }: Scrapers, from: number, to: number): readonly number[] =>
      served
        .filter(({ dueAt }) => dueAt >= from && dueAt < to)
        .filter(outsideStarts)
        .map(({ tookMs }) => tookMs);
    const verdicts = verdictsOf({
      scrapes: scrapers.count,
      wrong: scrapers.wrong,
      failed: scrapers.failed,
      granted: bad.granted.length,
      quietMs: took(scrapers, quietFrom, stormFrom),
      stormMs: took(scrapers, stormFrom, stormTo),
      bareQuietMs: took(bare.scrapers, quietFrom, stormFrom),
      bareStormMs: took(bare.scrapers, stormFrom, stormTo),
      samples: samples.all,
      quietDescriptors: percentiles(quiet.all.map(({ descriptors }) => descriptors)).p50,
      descriptorsAfter: after.all.at(-1)?.descriptors ?? Infinity,
      secrets: secrets.size,
      searchedMebibytes: [...output.values()].reduce((sum, { length }) => sum + length, 0) / 1024 ** 2,
      secretsTold: told.length,
    });
    const changes = [...storm.counts].map(([what, count]) => `${count} ${what}`);
    process.stdout.write(
      [
        `\n${minutes} min: ${bad.count} bad clients; changed: ${changes.join(', ')}`,
        `of one processor: ${load(quiet.all).toFixed(0)} % while it was quiet, ${load(samples.all).toFixed(0)} % in the storm`,
        table(verdicts),
        ...[...scrapers.faults, ...bad.granted, ...told].slice(0, 30).map((fault) => `  ${fault}`),
        '',
      ].join('\n'),
    );
    expect(unexpectedLines(filter)).toEqual([]);
    expect(verdicts.filter(({ isMet }) => !isMet).map(({ what }) => what)).toEqual([]);
  },
);

/** Resolves when every policy is in step and no file is being waited for. Rejects after 60 s. */
async function untilReady(port: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  const client = new RawClient({ port });
  try {
    for (;;) {
      const { body } = await client.request('/readyz?verbose');
      if (/readyz check passed/.test(body) && !/stale for|not loaded/.test(body)) return;
      if (performance.now() > deadline) throw new Error(`after 60 s the filter says ${body}`);
      await setTimeout(100);
    }
  } finally {
    client.close();
  }
}

/** A stack trace, and what Node writes of an unhandled rejection, is not in JSON. */
function unexpectedLines(filter: FilterProcess): readonly string[] {
  const lines = filter.log().trimEnd().split('\n');
  return lines.filter((line) => !line.startsWith('{"level":') || /unhandled|request failed/i.test(line));
}
