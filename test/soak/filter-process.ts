import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { tellGuard } from '../e2e/orphans.js';

const bin = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const startDeadlineMs = 30_000;

/** The built command as a process, which writes into files. */
export interface FilterProcess {
  readonly pid: number;
  readonly port: number;
  log(): string;
  /** stdout, stderr and the audit log with all that was rotated, by their names. */
  output(): ReadonlyMap<string, Buffer>;
  /** Resolves to its exit code. */
  stop(): Promise<number | null>;
}

/** @param directory Where it writes. Its audit log is there as `audit.log`, unless the flags say otherwise. */
export async function startFilter(directory: string, flags: readonly string[]): Promise<FilterProcess> {
  const files = { stdout: join(directory, 'filter.stdout'), stderr: join(directory, 'filter.stderr') };
  const [stdout, stderr] = [openSync(files.stdout, 'a'), openSync(files.stderr, 'a')];
  const args = [
    bin,
    'start',
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    ...auditFlags(directory, flags),
    ...flags,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', stdout, stderr] });
  closeSync(stdout);
  closeSync(stderr);
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const pid = child.pid ?? 0;
  tellGuard('started', pid);
  const log = (): string => readFileSync(files.stderr, 'utf8');
  const deadline = performance.now() + startDeadlineMs;
  let port: number | undefined;
  while (port === undefined) {
    await setTimeout(50);
    const found = /"url":"https:\/\/[^"]+:(\d+)"/.exec(log())?.[1];
    if (found !== undefined) port = Number(found);
    else if (child.exitCode !== null || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`the filter did not start: ${log()}`);
    }
  }
  return {
    pid,
    port,
    log,
    output: () =>
      new Map([
        ...Object.entries(files).map(([name, file]) => [name, readFileSync(file)] as const),
        ...readdirSync(directory)
          .filter((name) => /^audit.*\.log$/.test(name))
          .map((name) => [name, readFileSync(join(directory, name))] as const),
      ]),
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exited;
      tellGuard('exited', pid);
      return code;
    },
  };
}

/** Rotated often, and everything is kept. */
function auditFlags(directory: string, flags: readonly string[]): readonly string[] {
  if (flags.some((flag) => flag.startsWith('--audit-log-path'))) return [];
  const file = join(directory, 'audit.log');
  return [`--audit-log-path=${file}`, '--audit-log-maxsize=5', '--audit-log-maxbackup=0'];
}
