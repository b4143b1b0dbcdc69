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
/** Long enough for all scrapes of a round and their figures. */
const maxAgeMs = 4000;
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
const { of } = workspaceExpositions(exposition, { maxAgeMs, compress: false });

/** Of garbage collection. */
const pauses = [];
new PerformanceObserver((list) => pauses.push(...list.getEntries())).observe({ entryTypes: ['gc'] });

const found = { whole: [], naive: [], all: [], held: [], wholeHeld: [] };
const each = [];
for (let round = -warmups; round < rounds; round += 1) {
  const whole = await processorTime(() => read(exposition));
  const naive = await processorTime(() => filtered(names[round + warmups]));
  // What watches the turns takes processor time itself.
  const wholeHeld = await longestTurn(() => read(exposition));
  const held = await longestTurn(scrapeEach);
  await untilDropped();
  const allMs = await processorTime(scrapeEach);
  if (round >= 0) {
    found.whole.push(whole);
    found.naive.push(naive);
    found.all.push(allMs);
    found.wholeHeld.push(wholeHeld);
    found.held.push(held);
    // A clock is too coarse for one.
    for (let at = 0; at < workspaces; at += 100) {
      const some = names.slice(at, at + 100);
      const before = process.cpuUsage();
      for (const name of some) await read(of(name));
      each.push(millisecondsSince(before) / 100);
    }
  }
  await untilDropped();
}
const ofTurns = (turns, name) => median(turns.map((figures) => figures[name]));
process.send({
  wholeMs: median(found.whole),
  naiveMs: median(found.naive),
  allMs: median(found.all),
  allRatio: median(found.all.map((ms, at) => ms / found.whole[at])),
  scrapeMs: percentile(each, 0.5),
  scrapeP99Ms: percentile(each, 0.99),
  heldMs: ofTurns(found.held, 'heldMs'),
  heldWithoutCollectionMs: ofTurns(found.held, 'heldWithoutCollectionMs'),
  wholeHeldMs: ofTurns(found.wholeHeld, 'heldMs'),
});

/** The next scrape makes a rendering of its own. */
async function untilDropped() {
  await new Promise((resolve) => setTimeout(resolve, maxAgeMs));
}

async function scrapeEach() {
  for (const name of names) {
    const length = await read(of(name));
    if (length < counters * 50) throw new Error(`${name}: ${length} bytes`);
    // As between requests.
    await new Promise(setImmediate);
  }
}

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

/** Of the whole process (ms), which begins without garbage. */
async function processorTime(run) {
  await collected();
  const before = process.cpuUsage();
  await run();
  return millisecondsSince(before);
}

function millisecondsSince(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function collected() {
  globalThis.gc();
  await new Promise(setImmediate);
}

/** What a turn holds the event loop for is its processor time, at most what it takes: others use the processor, too. */
async function longestTurn(run) {
  await collected();
  pauses.length = 0;
  const turns = [];
  let isOn = true;
  let last = performance.now();
  let lastUsage = process.cpuUsage();
  const turn = () => {
    const now = performance.now();
    if (now - last > 2) {
      turns.push({ from: last, to: now, heldMs: Math.min(now - last, millisecondsSince(lastUsage)) });
    }
    last = now;
    lastUsage = process.cpuUsage();
    if (isOn) setImmediate(turn);
  };
  turn();
  await run();
  isOn = false;
  turn();
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
    heldMs: Math.max(0, ...turns.map(({ heldMs }) => heldMs)),
    heldWithoutCollectionMs: Math.max(0, ...turns.map(({ heldMs, collectingMs }) => heldMs - collectingMs)),
  };
}
