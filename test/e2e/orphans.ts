import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

let guard: ChildProcess | undefined;
const running = new Set<number>();

/** Those of `tellGuard` that have not ended. */
export function runningProcesses(): ReadonlySet<number> {
  return running;
}

/**
 * Tells the guard (orphan-guard.mjs) what has to be ended, or removed, should this process die without doing so
 * itself. The guard ends with this process.
 */
export function tellGuard(word: 'started' | 'exited' | 'made' | 'removed', what: number | string): void {
  if (word === 'started') running.add(Number(what));
  if (word === 'exited') running.delete(Number(what));
  guard ??= startGuard();
  guard.stdin?.write(`${word} ${what}\n`);
}

function startGuard(): ChildProcess {
  const child = spawn(process.execPath, [fileURLToPath(new URL('orphan-guard.mjs', import.meta.url))], {
    stdio: ['pipe', 'ignore', 'inherit'],
    // In a process group of its own: Ctrl-C is for the others, and it has to outlive them.
    detached: true,
  });
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  return child;
}
