import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text as textOf } from 'node:stream/consumers';
import { collectDefaultMetrics, Counter, Histogram, Registry, Summary } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { scrapeOnce } from './rendered.js';

const isThere = spawnSync('promtool', ['--version']).error === undefined;

/** What promtool has against an exposition; not against the names of prom-client's default metrics. */
async function promtool(exposition: string): Promise<readonly string[]> {
  const child = execFile('promtool', ['check', 'metrics']);
  if (child.stdin === null || child.stdout === null || child.stderr === null) throw new Error('no pipes');
  child.stdin.end(exposition);
  const [out, errors] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, 'close')]);
  return (out + errors).split('\n').filter((line) => line !== '' && !/^(?:nodejs|process)_/.test(line));
}

function applicationRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registry.setDefaultLabels({ shard: 'root "one"\n\\' });
  const registers = [registry];
  new Counter({ name: 'requests_total', help: 'a\\b\nc', labelNames: ['path'], registers }).inc({
    path: '/"\\\n',
  });
  const seconds = new Histogram({ name: 'seconds', help: 'Seconds.', labelNames: ['verb'], registers });
  for (let value = 0.001; value < 20; value *= 2) seconds.observe({ verb: 'GET' }, value);
  new Summary({ name: 'sizes', help: 'Bytes.', registers }).observe(10);
  return registry;
}

describe('promtool', () => {
  if (!isThere) process.emitWarning('promtool is not installed: expositions are not checked with it');

  it.skipIf(!isThere)('has nothing against the exposition of several registries', async () => {
    const other = new Registry();
    new Counter({ name: 'requests_total', help: 'a\\b\nc', labelNames: ['path'], registers: [other] }).inc({
      path: '/',
    });
    const { text } = await scrapeOnce({ registries: [applicationRegistry(), other] });
    expect(text).toContain('requests_total{path="/"} 1\n');
    expect(await promtool(text)).toEqual([]);
  });

  it.skipIf(!isThere)('does look: half an exposition is none', async () => {
    const { text } = await scrapeOnce({ registries: [applicationRegistry()] });
    expect(await promtool(text.slice(0, text.lastIndexOf('"')))).toEqual([
      expect.stringContaining('error while linting'),
    ]);
  });
});
