import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median } from './measure.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const rounds = 21;
const neighbours = "await import('express'); await import('prom-client');";
const usage = `
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  console.log(JSON.stringify({ cpuMs: (userCPUTime + systemCPUTime) / 1000, rss: process.memoryUsage.rss() }));`;
const evaluated = (code) => ['--input-type=module', '--eval', code + usage];
/** What a process prints about itself, at its end where it is not ours to add a line to. */
const atItsEnd = ['--import', `data:text/javascript,process.on('exit',()=>{${encodeURIComponent(usage)}})`];

const processes = {
  node: [...atItsEnd, '--eval', '0'],
  version: [...atItsEnd, 'dist/cli/main.js', '--version'],
  neighbours: evaluated(neighbours),
  library: evaluated(`${neighbours} await import('./dist/index.js');`),
  server: evaluated(
    `${neighbours} await import('./dist/server-exports.js'); await import('./dist/index.js');`,
  ),
};

/** Processes that do nothing but load, in turns. */
export function loadingSection() {
  const found = Object.fromEntries(Object.keys(processes).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, args] of Object.entries(processes)) found[name].push(run(args));
  }
  const of = (name) => ({
    cpuMs: median(found[name].map(({ cpuMs }) => cpuMs)),
    megabytes: median(found[name].map(({ rss }) => rss)) / 1e6,
  });
  const row = (what, name, beside, goals) => {
    const own = of(name);
    const base = of(beside);
    const times = own.cpuMs / base.cpuMs;
    const more = own.megabytes - base.megabytes;
    const figures = `${own.cpuMs.toFixed(0)} ms (${base.cpuMs.toFixed(0)}): × ${times.toFixed(2)}; +${more.toFixed(1)} MB`;
    if (goals === undefined) return { what, figures };
    const { maxTimes, maxMore = Infinity } = goals;
    const goal = `× ≤ ${maxTimes}${maxMore === Infinity ? '' : `, ≤ +${maxMore} MB`}`;
    return { what, figures, goal, met: times <= maxTimes && more <= maxMore };
  };
  return {
    title: `Processor time and memory of loading; medians of ${rounds} processes in turns`,
    rows: [
      row('--version, beside node -e 0', 'version', 'node', { maxTimes: 3 }),
      row('the package beside express and prom-client', 'library', 'neighbours', {
        maxTimes: 1.5,
        maxMore: 8,
      }),
      row('with ./server as well', 'server', 'neighbours'),
    ],
  };
}

function run(args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}
