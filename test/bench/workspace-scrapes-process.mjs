// 300,000 series of 10,000 workspaces in prom-client's counters, scraped in several ways. See workspaces.mjs.
import { PerformanceObserver } from 'node:perf_hooks';
import { Counter, Registry } from 'prom-client';
import { registriesExposition } from '../../dist/exposition/sources/registries-exposition.js';
import { workspaceExpositions } from '../../dist/exposition/workspaces/workspace-expositions.js';
import { median, percentile } from './measure.mjs';

const workspaces = 10_000;
const counters = 30;
const rounds = 7;
const warmups = 2;
/** As kcp names them. */
const names = Array.from({ length: workspaces }, (_, at) =>
  (at * 2654435761 + 36 ** 9).toString(36).padStart(16, '1'),
);

const registry = new Registry();
for (let family = 0; family < counters; family += 1) {
  const labelNames = ['cluster', 'resource'];
  const counter = new Counter({
    name: `objects_${family}_total`,
    help: 'Objects.',
    labelNames,
    registers: [registry],
  });
  names.forEach((cluster, at) => counter.inc({ cluster, resource: `resource-${family}` }, at));
}
const exposition = registriesExposition({ registries: [registry] });

/** Of garbage collection. */
const pauses = [];
new PerformanceObserver((list) => pauses.push(...list.getEntries())).observe({ entryTypes: ['gc'] });

const found = { whole: [], naive: [], all: [] };
const each = [];
for (let round = -warmups; round < rounds; round += 1) {
  const whole = await measure(async () => {
    await read(exposition);
  });
  const naive = await measure(() => filtered(names[round + warmups]));
  const { of } = workspaceExpositions(exposition, { maxAgeMs: 3_600_000, compress: false });
  const all = await measure(async () => {
    for (const name of names) {
      const length = await read(of(name));
      if (length < counters * 50) throw new Error(`${name}: ${length} bytes`);
      // As between requests.
      await new Promise(setImmediate);
    }
  });
  if (round < 0) continue;
  found.whole.push(whole);
  found.naive.push(naive);
  found.all.push(all);
  // A clock is too coarse for one.
  for (let at = 0; at < workspaces; at += 100) {
    const { cpuMs } = await measure(async () => {
      for (const name of names.slice(at, at + 100)) await read(of(name));
    }, false);
    each.push(cpuMs / 100);
  }
}
const figure = (way, name) => median(found[way].map((figures) => figures[name]));
process.send({
  wholeMs: figure('whole', 'cpuMs'),
  naiveMs: figure('naive', 'cpuMs'),
  allMs: figure('all', 'cpuMs'),
  allRatio: median(found.all.map(({ cpuMs }, at) => cpuMs / found.whole[at].cpuMs)),
  scrapeMs: percentile(each, 0.5),
  scrapeP99Ms: percentile(each, 0.99),
  heldMs: figure('all', 'heldMs'),
  heldWithoutCollectionMs: figure('all', 'heldWithoutCollectionMs'),
  wholeHeldMs: figure('whole', 'heldMs'),
});

async function read(served) {
  const { body } = await served.render({ accept: '' });
  let length = 0;
  for await (const chunk of body instanceof Uint8Array ? [body] : body) length += chunk.length;
  return length;
}

/** Renders all, and keeps the lines of one workspace. */
async function filtered(name) {
  const { body } = await exposition.render({ accept: '' });
  const label = `cluster="${name}"`;
  const kept = [];
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop();
    for (const line of lines) if (line.startsWith('#') || line.includes(label)) kept.push(line);
  }
  if (kept.length !== counters * 3) throw new Error(`${kept.length} lines`);
}

/** What a turn holds the event loop for is its processor time, at most what it takes: others use the processor, too. */
async function measure(run, collected = true) {
  if (collected) globalThis.gc();
  await new Promise(setImmediate);
  pauses.length = 0;
  const turns = [];
  let isOn = true;
  let last = performance.now();
  let lastUsage = process.cpuUsage();
  const before = lastUsage;
  const turn = () => {
    const now = performance.now();
    if (now - last > 2) {
      const { user, system } = process.cpuUsage(lastUsage);
      turns.push({ from: last, to: now, heldMs: Math.min(now - last, (user + system) / 1000) });
    }
    last = now;
    lastUsage = process.cpuUsage();
    if (isOn) setImmediate(turn);
  };
  turn();
  await run();
  isOn = false;
  turn();
  const { user, system } = process.cpuUsage(before);
  // Collections are told of later.
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const found of turns) {
    found.collectingMs = 0;
    for (const { startTime, duration } of pauses)
      found.collectingMs += Math.max(
        0,
        Math.min(found.to, startTime + duration) - Math.max(found.from, startTime),
      );
  }
  return {
    cpuMs: (user + system) / 1000,
    heldMs: Math.max(0, ...turns.map(({ heldMs }) => heldMs)),
    heldWithoutCollectionMs: Math.max(0, ...turns.map(({ heldMs, collectingMs }) => heldMs - collectingMs)),
  };
}
