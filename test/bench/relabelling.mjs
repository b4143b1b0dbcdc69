import { monitorEventLoopDelay } from 'node:perf_hooks';
import { LabelMapping } from '../../dist/exposition/relabelling/label-mapping.js';
import { filteredExposition } from '../../dist/exposition/relabelling/filtered-exposition.js';
import { duration } from './report.mjs';
import { readTextFormat } from '../../dist/exposition/text-format/text-format-reader.js';

const chunkBytes = 64 * 1024;
const hostNamespaces = 100;
const rounds = 20;
const contentType = 'text/plain; version=0.0.4; charset=utf-8';

/** 2 MB as a kube API server writes them, histograms above all. */
function apiServerExposition() {
  const lines = [];
  for (let family = 0; family < 100; family += 1) {
    const name = `apiserver_request_${family}_duration_seconds`;
    lines.push(`# HELP ${name} [STABLE] Response latency in seconds for each verb and resource.`);
    lines.push(`# TYPE ${name} histogram`);
    for (let series = 0; series < 10; series += 1) {
      const labels = `component="apiserver",group="",resource="resource-${series}",scope="namespace",verb="LIST",version="v1"`;
      for (const le of [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, '+Inf']) {
        lines.push(`${name}_bucket{${labels},le="${le}"} ${series * 17}`);
      }
      lines.push(`${name}_sum{${labels}} ${series / 7}`, `${name}_count{${labels}} ${series * 17}`);
    }
  }
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** 3 MB as a kubelet writes them: a host's namespace in every line. */
function kubeletExposition() {
  const name = 'container_cpu_usage_seconds_total';
  const lines = [`# HELP ${name} Cumulative cpu time consumed in seconds.`, `# TYPE ${name} counter`];
  for (let at = 0; at < 15_000; at += 1) {
    lines.push(
      `${name}{container="web",cpu="total",id="/kubepods/burstable/pod${at}",image="registry.example/web:1",namespace="host-namespace-${at % hostNamespaces}",pod="web-${at}"} ${at}.25 1700000000000`,
    );
  }
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** @param {(at: number) => string} virtualName */
function mapping(virtualName) {
  const names = Array.from({ length: hostNamespaces }, (_, at) => [`host-namespace-${at}`, virtualName(at)]);
  return { current: LabelMapping.of({ namespace: Object.fromEntries(names) }) };
}

/** @param {Buffer} bytes */
async function* chunksOf(bytes) {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    yield await Promise.resolve(bytes.subarray(at, at + chunkBytes));
  }
}

/** @param {Buffer} bytes */
async function read(bytes) {
  let length = 0;
  for await (const parts of readTextFormat(chunksOf(bytes), { format: 'text' })) {
    for (const part of parts) if (part.kind === 'samples') length += part.bytes.length;
  }
  return length;
}

/** @param {Buffer} bytes @param {object} options */
async function filter(bytes, options) {
  const exposition = filteredExposition(
    { contentType: () => contentType, render: () => Promise.resolve({ contentType, body: chunksOf(bytes) }) },
    options,
  );
  const { body } = await exposition.render({ accept: '' });
  let length = 0;
  for await (const chunk of body instanceof Uint8Array ? [body] : body) length += chunk.length;
  return length;
}

/** CPU time, since the speed of what streams is asked for, and not that of its waiting. */
async function megabytesPerSecond(bytes, run) {
  const figures = [];
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage();
    await run(bytes);
    const { user, system } = process.cpuUsage(before);
    figures.push(bytes.length / (user + system));
  }
  return figures.toSorted((a, b) => b - a)[Math.floor(rounds / 4)] ?? NaN;
}

/** Reading and filtering what streams; and how long 50 MB in one piece hold the event loop. */
export async function relabellingSection() {
  const [apiServer, kubelet] = [apiServerExposition(), kubeletExposition()];
  const cases = [
    { what: 'read, 2 MB', bytes: apiServer, goal: 200, run: read },
    {
      what: 'globs of names, 2 MB',
      bytes: apiServer,
      goal: 100,
      run: (bytes) => filter(bytes, { keepMetrics: ['apiserver_*'], dropMetrics: ['*_1?_*', '*_bucket'] }),
    },
    {
      what: 'a label mapped one to one, 3 MB',
      bytes: kubelet,
      goal: 40,
      run: (bytes) => filter(bytes, { labelMapping: mapping((at) => `team-${at}`) }),
    },
    {
      what: 'a label mapped many to one, duplicates looked for, 3 MB',
      bytes: kubelet,
      goal: 40,
      run: (bytes) => filter(bytes, { labelMapping: mapping((at) => `team-${at % 10}`) }),
    },
    {
      what: 'a label dropped, one renamed, 3 MB',
      bytes: kubelet,
      goal: 40,
      run: (bytes) => filter(bytes, { dropLabels: ['image'], renameLabels: { pod: 'name' } }),
    },
  ];
  const rows = [];
  for (const { what, bytes, goal, run } of cases) {
    const speed = await megabytesPerSecond(bytes, run);
    rows.push({ what, figures: `${speed.toFixed(0)} MB/s`, goal: `> ${goal} MB/s`, met: speed > goal });
  }
  rows.push(await longestBlock(kubelet));
  return { title: 'Filtering an exposition while it streams; MB a second of CPU time', rows };
}

/** @param {Buffer} bytes */
async function longestBlock(bytes) {
  const large = Buffer.concat(Array.from({ length: Math.ceil(5e7 / bytes.length) }, () => bytes));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await filter(large, { labelMapping: mapping((at) => `team-${at}`) });
  delay.disable();
  return {
    what: 'event loop blocked while 50 MB are mapped, p99 / longest',
    figures: `${duration(delay.percentile(99))} / ${duration(delay.max)}`,
    goal: 'longest < 10 ms',
    met: delay.max < 10e6,
  };
}
