import { execFile, spawn } from 'node:child_process';
import { once as onceEmitted } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { atEnd } from '../support/ending.js';
import { once } from '../support/once.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** Where the READMEs' commands are run. */
export const repository = fileURLToPath(new URL('../../', import.meta.url));

const execute = promisify(execFile);
const startDeadlineMs = 15_000;

export interface Started {
  /** What the pattern's group found. */
  readonly found: string;
}

/**
 * Starts a command that goes on running, and waits until what it writes matches the pattern. After the test it is asked to
 * stop, and has to end with this exit code.
 */
export async function startCommand(
  command: string,
  pattern: RegExp,
  exitCode: unknown = 0,
): Promise<Started> {
  // exec: the process is the command itself, so that it can be stopped by its pid.
  const child = spawn('bash', ['-c', `exec env ${command}`], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = onceEmitted(child, 'close') as Promise<[number | null]>;
  // One that says nothing is stopped; its close then ends the wait.
  const deadline = setTimeout(() => child.kill('SIGKILL'), startDeadlineMs);
  const found = await new Promise<string>((resolve, reject) => {
    let written = '';
    const onData = (data: Buffer): void => {
      written += data.toString();
      const match = pattern.exec(written);
      if (match !== null) resolve(match[1] ?? '');
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.once('close', () => {
      reject(new Error(`${command}\ndid not start: ${written}`));
    });
  }).finally(() => {
    clearTimeout(deadline);
  });
  atEnd(async () => {
    child.kill('SIGTERM');
    const [code] = await exited;
    expect(code, command).toEqual(exitCode);
  });
  return { found };
}

/** What a command of a README prints; a terminal shows no difference at the end of it. */
export async function outputOf(command: string, directory: string): Promise<string> {
  const { stdout } = await execute('bash', ['-c', command], { cwd: directory });
  return stdout.trimEnd();
}

const credentialFiles = once(async () => {
  const { path } = temporaryDirectory();
  await execute('examples/credentials/create-credentials.sh', [path], { cwd: repository });
  return readdirSync(path).map((name) => {
    const file = join(path, name);
    return { name, bytes: readFileSync(file), mode: statSync(file).mode };
  });
});

/** Writes the credentials of all examples into a directory, as the READMEs do. */
export async function createCredentials(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  for (const { name, bytes, mode } of await credentialFiles()) {
    writeFileSync(join(directory, name), bytes, { mode });
  }
}

/** `curl` as a user of the credentials; without one, as nobody. */
export async function statusOf(url: string, directory: string, user?: string): Promise<number> {
  const certificate = user === undefined ? '' : `--cert ${user}.crt --key ${user}.key`;
  return Number(
    await outputOf(`curl -s -o /dev/null -w '%{http_code}' --cacert ca.crt ${certificate} ${url}`, directory),
  );
}
