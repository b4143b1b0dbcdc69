import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const goals = { stallMs: 10, firstByteMs: 20, memoryRatio: 0.25, cpuRatio: 1 };
const shapes = [
  { shape: 'counters', what: '100,000 series in ten counters' },
  { shape: 'counter', what: '100,000 series in one counter' },
  { shape: 'histogram', what: '140,000 series in one histogram' },
];

/** A large registry written by prom-client and by the filter, each in a process of its own, in turns. */
export async function expositionSection() {
  const rows = [];
  for (const { shape, what } of shapes) {
    const before = await measure(shape, 'prom-client');
    const now = await measure(shape, 'filter');
    const row = (name, unit, digits, figure, goal, met) => ({
      what: `${what}: ${name}`,
      figures: `prom-client ${figure(before).toFixed(digits)} ${unit}, filter ${figure(now).toFixed(digits)} ${unit}`,
      goal,
      met,
    });
    rows.push(
      row(
        'longest stall of the event loop',
        'ms',
        1,
        ({ stallMs }) => stallMs,
        `< ${goals.stallMs} ms`,
        now.stallMs < goals.stallMs,
      ),
      row(
        'processor time',
        'ms',
        0,
        ({ cpuMs }) => cpuMs,
        "≤ prom-client's",
        now.cpuMs <= before.cpuMs * goals.cpuRatio,
      ),
      row(
        'memory at most',
        'MB',
        1,
        ({ megabytes }) => megabytes,
        `< ${goals.memoryRatio} of prom-client's`,
        now.megabytes < before.megabytes * goals.memoryRatio,
      ),
      row(
        'first byte',
        'ms',
        1,
        ({ firstByteMs }) => firstByteMs,
        `< ${goals.firstByteMs} ms`,
        now.firstByteMs < goals.firstByteMs,
      ),
    );
  }
  return { title: 'Large expositions; medians of 9 scrapes, each read to its end', rows };
}

async function measure(shape, way) {
  const child = fork(fileURLToPath(new URL('exposition-process.mjs', import.meta.url)), [shape, way], {
    execArgv: ['--expose-gc'],
  });
  try {
    const [figures] = await once(child, 'message');
    return figures;
  } finally {
    child.kill();
  }
}
