// One registry, written several times in one way: `exposition-process.mjs <shape> <way>`. See exposition.mjs.
import { Counter, Histogram, Registry } from 'prom-client';
import { registriesExposition } from '../../dist/exposition/sources/registries-exposition.js';
import { median } from './measure.mjs';

const rounds = 9;
const warmups = 3;
const [, , shape, way] = process.argv;

const registry = new Registry();
const fill = {
  counter: () => counterOf('requests_total', 100_000),
  counters: () => {
    for (let index = 0; index < 10; index += 1) counterOf(`requests_${index}_total`, 10_000);
  },
  histogram: () => {
    const labelNames = ['verb', 'resource'];
    const histogram = new Histogram({ name: 'seconds', help: 'Seconds.', labelNames, registers: [registry] });
    for (let series = 0; series < 30_000; series += 1) {
      histogram.observe({ verb: 'LIST', resource: `resource-${series % 10_000}` }, (series % 13) / 2);
    }
  },
};
const scrape = {
  'prom-client': async (onBytes) => {
    onBytes(Buffer.from(await registry.metrics()));
  },
  filter: async (onBytes) => {
    const { body } = await exposition.render({ accept: '' });
    for await (const chunk of body) onBytes(chunk);
  },
};

fill[shape]();
const exposition = registriesExposition({ registries: [registry] });
globalThis.gc();
const heldBefore = process.memoryUsage.rss();
const found = [];
for (let round = -warmups; round < rounds; round += 1) {
  const figures = await measure(scrape[way]);
  if (round >= 0) found.push(figures);
}
const figure = (name) => median(found.map((figures) => figures[name]));
process.send({
  stallMs: figure('stallMs'),
  cpuMs: figure('cpuMs'),
  megabytes: (process.resourceUsage().maxRSS * 1024 - heldBefore) / 1e6,
  firstByteMs: figure('firstByteMs'),
});

async function measure(render) {
  globalThis.gc();
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  let last = started;
  let stallMs = 0;
  let firstByteMs;
  let isOn = true;
  const turn = () => {
    stallMs = Math.max(stallMs, performance.now() - last);
    last = performance.now();
    if (isOn) setImmediate(turn);
  };
  turn();
  await render(() => {
    firstByteMs ??= performance.now() - started;
  });
  isOn = false;
  turn();
  const { user, system } = process.cpuUsage(cpuBefore);
  await new Promise(setImmediate);
  return { stallMs, cpuMs: (user + system) / 1000, firstByteMs };
}

function counterOf(name, series) {
  const labelNames = ['namespace', 'resource', 'code'];
  const counter = new Counter({ name, help: 'Requests.', labelNames, registers: [registry] });
  for (let index = 0; index < series; index += 1) {
    counter.inc({ namespace: `namespace-${index % 100}`, resource: `resource-${index}`, code: '200' }, index);
  }
}
