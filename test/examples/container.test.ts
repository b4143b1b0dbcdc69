import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repository } from './commands.js';

const text = readFileSync(join(repository, 'examples/container/Dockerfile'), 'utf8');
/** Its instructions, continued lines joined, by stages. */
const stages = text
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .trim()
  .split(/\n(?=FROM )/)
  .map((stage) => stage.split('\n').filter((line) => line !== ''));

describe('examples/container/Dockerfile', () => {
  const last = stages.at(-1) ?? [];

  it('is made of instructions that Docker knows', () => {
    expect(stages).toHaveLength(2);
    const instructions = stages.flat().map((line) => line.split(' ')[0]);
    for (const instruction of instructions) {
      expect(instruction).toMatch(/^(?:FROM|WORKDIR|COPY|RUN|USER|EXPOSE|ENTRYPOINT)$/);
    }
  });

  it('ends with an image that runs as a number, without a shell', () => {
    expect(last).toContain('USER 65532:65532');
    expect(last.at(-1)).toBe('ENTRYPOINT ["kcp-metrics-filter"]');
    expect(last.filter((line) => line.startsWith('RUN'))).toEqual([]);
  });

  it('copies what the stage before has made, and the bin of the package', () => {
    const copied = last.flatMap((line) => /^COPY --from=build (\S+)/.exec(line)?.[1] ?? []);
    const built = stages[0]?.join('\n') ?? '';
    for (const place of copied) expect(built).toMatch(new RegExp(`(?:WORKDIR|mkdir) ${place}\\b`));
    const { bin } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
      readonly bin: Readonly<Record<string, string>>;
    };
    expect(built).toContain(`/usr/local/lib/kcp-metrics-filter/${bin['kcp-metrics-filter'] ?? ''} `);
    expect(last).toContain('COPY --from=build /app /usr/local/lib/kcp-metrics-filter');
  });

  it('installs from the lock, with the versions that it holds', () => {
    const built = stages[0]?.join('\n') ?? '';
    expect(built.match(/\bnpm (?:ci|install)\b(?!.*--ignore-scripts)/g)).toBeNull();
    expect(built).toMatch(
      /cp \/src\/package-lock\.json \. && npm pkg delete devDependencies .*&& npm install/,
    );
    expect(existsSync(join(repository, 'examples/container/Dockerfile.dockerignore'))).toBe(true);
  });
});
