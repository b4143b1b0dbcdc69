import { fork } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { mergedExposition } from '../../dist/exposition/merging/merged-exposition.js';
import { upstreamExposition } from '../../dist/exposition/sources/upstream/upstream.js';
import { median } from './measure.mjs';
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
    return {
      title: `Two upstreams of ${(started[0].bytes / 1e6).toFixed(1)} MB merged, beside each of them passed on alone; medians of ${rounds} rounds in turns`,
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
      const milliseconds = await scrape(exposition);
      if (round >= 0) (found[name] ??= []).push(milliseconds);
    }
  }
  for (const upstream of upstreams) upstream.close();
  const slower = Math.max(median(found.first), median(found.second));
  const row = (name, merged, hasGoal) => ({
    what: `${what}, ${name}`,
    figures: `${slower.toFixed(1)} ms the slower one, ${merged.toFixed(1)} ms merged: ${(merged / slower).toFixed(2)}`,
    ...(hasGoal ? { goal: `≤ ${goalRatio}`, met: merged / slower <= goalRatio } : {}),
  });
  return [
    row('told apart by a label', median(found.merged), isGoal),
    row('duplicates looked for', median(found.unlabelled), false),
  ];
}

/** Milliseconds until the last byte. */
async function scrape(exposition) {
  const started = performance.now();
  await drained(exposition);
  return performance.now() - started;
}

async function drained(exposition) {
  const { body } = await exposition.render({ accept: '' });
  let length = 0;
  for await (const chunk of body instanceof Uint8Array ? [body] : body) length += chunk.length;
  return length;
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
  const exposition = {
    contentType: () => contentType,
    render: () => Promise.resolve({ contentType, body }),
  };
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
