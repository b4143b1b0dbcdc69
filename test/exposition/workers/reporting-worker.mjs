// A worker of node:cluster, a forked process or a thread, which counts what it is told to and reports it.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parentPort } from 'node:worker_threads';
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { reportMetrics } from '../../../dist/index.js';

const registry = new Registry();
const registers = [registry];
const counter = new Counter({ name: 'requests_total', help: 'Requests.', labelNames: ['verb'], registers });
const gauge = new Gauge({ name: 'largest', help: 'Largest.', aggregator: 'max', registers });
const histogram = new Histogram({ name: 'seconds', help: 'Seconds.', buckets: [1, 2], registers });

function count({ verb, value }) {
  counter.inc({ verb }, value);
  gauge.set(value);
  histogram.observe(value);
}

/** 100,000 series. */
function grow() {
  for (let metric = 0; metric < 10; metric += 1) {
    const labelNames = ['verb', 'resource'];
    const large = new Counter({ name: `large_${metric}_total`, help: 'Large.', labelNames, registers });
    for (let series = 0; series < 10_000; series += 1) {
      large.inc({ verb: 'LIST', resource: `resource-${series}` }, series);
    }
  }
}

/** Does nothing at all, not even listen. */
function hang({ forMs }) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
}

const delay = monitorEventLoopDelay({ resolution: 1 });
const orders = {
  count,
  grow,
  hang,
  watch: () => {
    delay.reset();
    delay.enable();
  },
  /** The longest time (ms) that the event loop was held since `watch`. */
  longest: () => delay.max / 1e6,
};
const parent = parentPort ?? process;
const send =
  parentPort === null ? (message) => process.send(message) : (message) => parentPort.postMessage(message);

parent.on('message', (message) => {
  if (typeof message?.order !== 'string') return;
  send({ done: message.order, result: orders[message.order]?.(message) });
});
if (parentPort === null) {
  AggregatorRegistry.setRegistries(registry);
  new AggregatorRegistry();
}
reportMetrics({ registries: [registry] });
send({ done: 'start' });
