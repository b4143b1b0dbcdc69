import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type * as Program from '../../src/cli/program.js';
import { atEnd } from './ending.js';

const dist = new URL('../../dist/cli/', import.meta.url);
const bin = fileURLToPath(new URL('main.js', dist));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartedServer {
  readonly port: number;
  readonly url: string;
  /** All it has written to stderr so far. */
  log(): string;
  /** Asks it to stop and resolves to its exit code. */
  stop(): Promise<number | null>;
}

const onFreePort = ['start', '--bind-address=127.0.0.1', '--secure-port=0'];

/** The built program, run in this process: a process for each call would cost more than the call. */
const built = async (): Promise<typeof Program> =>
  (await import(new URL('program.js', dist).href)) as typeof Program;

/** Runs a command of the built program to its end, in this process. */
export async function runCli(args: readonly string[]): Promise<Finished> {
  const written = { stdout: '', stderr: '' };
  const { run } = await built();
  const code = await run(args, {
    print: (line) => (written.stdout += `${line}\n`),
    printError: (line) => (written.stderr += `${line}\n`),
    stopRequested: () => Promise.resolve(),
  });
  return { code, ...written };
}

/** Starts the built `kcp-metrics-filter start` on a free port of 127.0.0.1, in this process, until the test is over. */
export async function startCli(args: readonly string[]): Promise<StartedServer> {
  if (args.some((arg) => arg.startsWith('--workers='))) throw new Error('workers need startProcess');
  let stderr = '';
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  let onWritten: () => void = () => undefined;
  const write = (text: string): void => {
    stderr += text;
    onWritten();
  };
  const { run } = await built();
  const running = run([...onFreePort, ...args], {
    print: () => undefined,
    printError: (line) => {
      write(`${line}\n`);
    },
    stopRequested: () => stopped,
    log: { write },
  });
  const url = await new Promise<string>((resolve, reject) => {
    onWritten = () => {
      const found = urlIn(stderr);
      if (found !== undefined) resolve(found);
    };
    const fail = (): void => {
      reject(new Error(`did not start: ${stderr}`));
    };
    running.then(fail, fail);
  });
  const server = {
    url,
    port: Number(new URL(url).port),
    log: () => stderr,
    stop: () => {
      stop();
      return running;
    },
  };
  atEnd(server.stop);
  return server;
}

/** Runs a command of the built bin to its end, in a process of its own. */
export async function runProcess(args: readonly string[], input = ''): Promise<Finished> {
  const child = spawn(process.execPath, [bin, ...args]);
  const collected = collect(child);
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...collected() };
}

export interface StartedProcess extends StartedServer {
  readonly pid: number;
  stop(signal?: 'SIGTERM' | 'SIGINT'): Promise<number | null>;
}

/** As `startCli`, in a process of its own: for signals, for workers, and for what a process holds. */
export async function startProcess(args: readonly string[]): Promise<StartedProcess> {
  const child = spawn(process.execPath, [bin, ...onFreePort, ...args]);
  const collected = collect(child);
  const exited = once(child, 'close') as Promise<[number | null]>;
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', () => {
      const found = urlIn(collected().stderr);
      if (found !== undefined) resolve(found);
    });
    child.once('close', () => {
      reject(new Error(`did not start: ${collected().stderr}`));
    });
  });
  const server: StartedProcess = {
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
  atEnd(() => server.stop());
  return server;
}

function urlIn(log: string): string | undefined {
  return /"url":"(https:\/\/[^"]+)"/.exec(log)?.[1];
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
