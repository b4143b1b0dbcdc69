import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { repository } from '../examples/commands.js';
import { exampleReadme } from '../examples/readme.js';
import { isRequired } from '../support/required.js';

const helm = fileURLToPath(new URL('.bin-helm/helm', import.meta.url));
const chart = join(repository, 'examples/helm-chart');
const values = (mode: string): string => join(chart, `ci/${mode}-values.yaml`);

const run = (...args: readonly string[]): { readonly status: number | null; readonly text: string } => {
  const { status, stdout, stderr } = spawnSync(helm, args, { cwd: repository, encoding: 'utf8' });
  return { status, text: `${stdout}${stderr}` };
};

describe.skipIf(!existsSync(helm) && !isRequired)('examples/helm-chart', () => {
  it.each(['gateway', 'sidecar'])('is linted with the values of a %s', (mode) => {
    const { status, text } = run('lint', chart, '--strict', '-f', values(mode));
    expect(text).toMatch(/1 chart\(s\) linted, 0 chart\(s\) failed/);
    expect(status).toBe(0);
  });

  it.each([
    ['gateway', 'metrics', 'monitoring'],
    ['sidecar', 'shop', 'shop'],
  ])('renders what test/examples/helm-chart/%s.yaml holds', (mode, release, namespace) => {
    const rendered = execFileSync(
      helm,
      ['template', release, chart, '--namespace', namespace, '-f', values(mode)],
      { encoding: 'utf8' },
    );
    expect(rendered).toBe(readFileSync(join(repository, `test/examples/helm-chart/${mode}.yaml`), 'utf8'));
  });

  it('says what the README shows where a value is wrong', () => {
    const [step, ...others] = exampleReadme('helm-chart').transcripts.flat();
    expect(others).toEqual([]);
    const { status, text } = run(...(step?.command.split(' ').slice(1) ?? []));
    // The order of what is wrong is not helm's own.
    const lines = (output: string): readonly string[] => output.trim().split('\n').sort();
    expect(lines(text)).toEqual(lines(step?.output ?? ''));
    expect(status).toBe(1);
  });

  it.each([
    ['no image', ['--set', 'image.repository='], /image\/repository|image\.repository/],
    ['no certificate', ['--set', 'tls.secretName='], /secretName/],
    ['no upstream', ['--set', 'upstreams=null'], /upstreams/],
    ['an unknown mode', ['--set', 'mode=sidecars'], /mode/],
    ['an unknown value', ['--set', 'replica=2'], /replica/],
    ['no way to authenticate', ['--set', 'authentication.tokens=false'], /authentication/],
    ['two policies', ['--set', 'policy.configMap=x'], /policy/],
    ['a comma in an upstream', ['--set', 'upstreams[0].url=http://a\\,b'], /url/],
    ['a service account of no namespace', ['--set', 'scrapers[0].namespace='], /needs a namespace/],
    ['an argument that is no flag', ['--set', 'extraArgs[0]=start'], /extraArgs/],
  ])('refuses %s', (_fault, args, message) => {
    const { status, text } = run('template', 'metrics', chart, '-f', values('gateway'), ...args);
    expect(text).toMatch(message);
    expect(status).toBe(1);
  });
});
