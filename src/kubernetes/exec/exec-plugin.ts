import { spawn, type ChildProcess } from 'node:child_process';
import { ExecPluginError, readExecCredential, type ExecCredential } from './exec-credential.js';

/** A program that gives credentials: `exec` of a kubeconfig's user. */
export interface ExecPlugin {
  readonly apiVersion: string;
  /** A path, or a name to be found in PATH. */
  readonly command: string;
  readonly args: readonly string[];
  /** In addition to this process' own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What it is told of the cluster, where it wants to know. */
  readonly cluster?: unknown;
}

const maxOutputBytes = 1024 * 1024;

/**
 * Runs an exec plugin, without a terminal. `signal` ends it at once, with all that it has started.
 *
 * @throws ExecPluginError
 */
export async function runExecPlugin(plugin: ExecPlugin, signal: AbortSignal): Promise<ExecCredential> {
  return readExecCredential(await outputOf(start(plugin), signal), plugin.apiVersion);
}

type Plugin = ReturnType<typeof start>;

function start(plugin: ExecPlugin) {
  const { apiVersion, command, args, env, cluster } = plugin;
  const info = { apiVersion, kind: 'ExecCredential', spec: { cluster, interactive: false } };
  try {
    return spawn(command, args, {
      env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      // What it writes to stderr may hold a token, and has no place in this program's log.
      stdio: ['ignore', 'pipe', 'ignore'],
      // A process group of its own, so that it can be ended with all that it has started.
      detached: true,
    });
  } catch (error) {
    throw cannotRun(error);
  }
}

function outputOf(child: Plugin, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (problem: string): void => {
      reject(new ExecPluginError(`the exec plugin ${problem}`));
    };
    const end = (problem: string): void => {
      fail(problem);
      killGroup(child);
      child.stdout.destroy();
    };
    const onAbort = (): void => {
      end('did not finish in time');
    };
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > maxOutputBytes) end(`wrote more than ${maxOutputBytes} bytes`);
    });
    child.once('error', (error) => {
      signal.removeEventListener('abort', onAbort);
      reject(cannotRun(error));
    });
    child.once('close', (code, killedBy) => {
      signal.removeEventListener('abort', onAbort);
      if (code === 0) resolve(Buffer.concat(chunks).toString('utf8'));
      else fail(code === null ? `was ended by ${killedBy ?? 'a signal'}` : `exited with code ${code}`);
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of it has ended already, or the system knows no process groups.
    child.kill('SIGKILL');
  }
}

function cannotRun(error: unknown): ExecPluginError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  return new ExecPluginError(`the exec plugin cannot be run: ${code}`);
}
