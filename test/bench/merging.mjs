import { fork } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { mergedExposition } from '../../dist/exposition/merging/merged-exposition.js';
import { upstreamExposition } from '../../dist/exposition/sources/upstream/upstream.js';
import { heapUsed, median } from './measure.mjs';
import { duration } from './report.mjs';

const families = 110;
const rounds = 25;
const warmups = 5;
const goalRatio = 1.3;
const contentType = 'text/plain; version=0.0.4';

/** Two applications' expositions as one, beside each of them alone; the applications in processes of their own. */
export async function mergingSection() {
  const applications = ['a', 'b'].map(() =>
    fork(fileURLToPath(new URL('merging-application.mjs', import.meta.url))),
  );
  try {
    const started = await Promise.all(applications.map(start));
    const rows = [];
    for (const [what, path, isGoal] of [
      ['written for each scrape by prom-client', '/metrics', true],
      ['ready in memory', '/ready', false],
    ]) {
      rows.push(...(await compare(what, path, started, isGoal)));
    }
    rows.push(await longestBlock());
    rows.push(await sortedMembers());
    return {
      title: `Two upstreams of ${(started[0].bytes / 1e6).toFixed(1)} MB merged, beside each of them passed on alone; medians of ${rounds} rounds in turns, processor time that of this process`,
      rows,
    };
  } finally {
    for (const application of applications) application.kill();
  }
}

async function start(application) {
  application.send({ families });
  const [message] = await once(application, 'message');
  return message;
}

async function compare(what, path, started, isGoal) {
  const upstreams = started.map(({ port }) => upstreamExposition({ url: `http://127.0.0.1:${port}${path}` }));
  const members = upstreams.map((exposition, at) => ({ name: `app-${at}`, exposition }));
  const expositions = {
    first: upstreams[0],
    second: upstreams[1],
    merged: mergedExposition({
      members: members.map((member) => ({ ...member, labels: { upstream: member.name } })),
    }),
    unlabelled: mergedExposition({ members }),
  };
  const found = {};
  for (let round = -warmups; round < rounds; round += 1) {
    for (const [name, exposition] of Object.entries(expositions)) {
      const { milliseconds, cpuMs } = await scrape(exposition);
      if (round < 0) continue;
      found[name] ??= { milliseconds: [], cpuMs: [] };
      found[name].milliseconds.push(milliseconds);
      found[name].cpuMs.push(cpuMs);
    }
  }
  for (const upstream of upstreams) upstream.close();
  const slower = (unit) => Math.max(median(found.first[unit]), median(found.second[unit]));
  const row = (name, { milliseconds, cpuMs }, hasGoal) => {
    const [ms, cpu] = [median(milliseconds), median(cpuMs)];
    const ratio = ms / slower('milliseconds');
    return {
      what: `${what}, ${name}`,
      figures: `${slower('milliseconds').toFixed(1)} ms the slower one, ${ms.toFixed(1)} ms merged: ${ratio.toFixed(2)}; processor time ${slower('cpuMs').toFixed(1)} and ${cpu.toFixed(1)} ms`,
      ...(hasGoal ? { goal: `≤ ${goalRatio}`, met: ratio <= goalRatio } : {}),
    };
  };
  return [
    row('told apart by a label', found.merged, isGoal),
    row('duplicates looked for', found.unlabelled, false),
  ];
}

/** Until the last byte. */
async function scrape(exposition) {
  const [started, before] = [performance.now(), process.cpuUsage()];
  await drained(exposition);
  const { user, system } = process.cpuUsage(before);
  return { milliseconds: performance.now() - started, cpuMs: (user + system) / 1000 };
}

async function drained(exposition) {
  const { body } = await exposition.render({ accept: '' });
  let length = 0;
  for await (const chunk of body instanceof Uint8Array ? [body] : body) length += chunk.length;
  return length;
}

/** Two of 20 MB that are sorted by name, in chunks, once they are known: what is held of them while they come. */
async function sortedMembers() {
  const families = Array.from({ length: 200 }, (_, family) => {
    const name = `metric_${String(family).padStart(3, '0')}`;
    const lines = Array.from(
      { length: 1000 },
      (__, at) =>
        `${name}{namespace="kube-system",pod="web-${at}",verb="LIST",resource="pods",scope="cluster"} ${at}\n`,
    );
    return `# HELP ${name} Something that is counted.\n# TYPE ${name} counter\n${lines.join('')}`;
  });
  const body = Buffer.from(families.join(''));
  const before = heldBytes();
  let held = 0;
  async function* chunks() {
    for (let at = 0; at < body.length; at += 65_536) {
      if ((at / 65_536) % 50 === 49) held = Math.max(held, heldBytes() - before);
      yield await Promise.resolve(Buffer.from(body.subarray(at, at + 65_536)));
    }
  }
  const exposition = {
    contentType: () => contentType,
    render: async () => ({ contentType, body: chunks() }),
  };
  const merged = mergedExposition({
    members: ['a', 'b'].map((name) => ({ name, exposition, labels: { upstream: name } })),
    timeoutMs: 60_000,
  });
  await drained(merged);
  const whole = held;
  held = 0;
  await drained(merged);
  return {
    what: `held of two of ${Math.round(body.length / 1e6)} MB that are sorted by name: first scrape / from then on`,
    figures: `${(whole / 1e6).toFixed(1)} MB / ${(held / 1e6).toFixed(1)} MB`,
    goal: '≤ 4 MB',
    met: held <= 4e6,
  };
}

function heldBytes() {
  const { external } = (heapUsed(), process.memoryUsage());
  return heapUsed() + external;
}

/** Two of 20 MB at once, in one piece each, whose duplicates are looked for. */
async function longestBlock() {
  const lines = ['# TYPE container_cpu_usage_seconds_total counter'];
  for (let at = 0; at < 130_000; at += 1) {
    lines.push(
      `container_cpu_usage_seconds_total{container="web",cpu="total",id="/kubepods/burstable/pod${at}",image="registry.example/web:1",pod="web-${at}"} ${at}.25`,
    );
  }
  const body = Buffer.from(`${lines.join('\n')}\n`);
  const exposition = { contentType: () => contentType, render: () => Promise.resolve({ contentType, body }) };
  const merged = mergedExposition({
    members: ['a', 'b'].map((name) => ({ name, exposition })),
    timeoutMs: 60_000,
  });
  await drained(merged);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await drained(merged);
  delay.disable();
  return {
    what: `event loop blocked while two of ${Math.round(body.length / 1e6)} MB are merged, p99 / longest`,
    figures: `${duration(delay.percentile(99))} / ${duration(delay.max)}`,
    goal: 'longest < 10 ms',
    met: delay.max < 10e6,
  };
}
