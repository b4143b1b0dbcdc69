import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of the built bin to its end. */
export async function runCli(args: readonly string[], input = ''): Promise<Finished> {
  const child = spawn(process.execPath, [bin, ...args]);
  const collected = collect(child);
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...collected() };
}

export interface StartedServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** All it has written to stderr so far. */
  log(): string;
  /** Asks it to stop and resolves to its exit code. */
  stop(signal?: 'SIGTERM' | 'SIGINT'): Promise<number | null>;
}

/** Starts the built `kcp-metrics-filter start` on a free port of 127.0.0.1. */
export async function startCli(args: readonly string[]): Promise<StartedServer> {
  const child = spawn(process.execPath, [
    bin,
    'start',
    '--bind-address=127.0.0.1',
    '--secure-port=0',
    ...args,
  ]);
  const collected = collect(child);
  const exited = once(child, 'close') as Promise<[number | null]>;
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', () => {
      const found = /"url":"(https:\/\/[^"]+)"/.exec(collected().stderr)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('close', () => {
      reject(new Error(`did not start: ${collected().stderr}`));
    });
  });
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid ?? 0,
    log: () => collected().stderr,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const [code] = await exited;
      return code;
    },
  };
}

function collect(child: ChildProcess): () => { stdout: string; stderr: string } {
  const chunks = { stdout: '', stderr: '' };
  child.stdout?.on('data', (data: Buffer) => {
    chunks.stdout += data.toString();
  });
  child.stderr?.on('data', (data: Buffer) => {
    chunks.stderr += data.toString();
  });
  return () => chunks;
}
