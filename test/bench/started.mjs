import { fork, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../', import.meta.url));

/** A script beside this one, in a process of its own; `started` are those that are to be ended. */
export function forked(script, started) {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)));
  started.push(child);
  return child;
}

/** The built `start` of this checkout, or of another. Resolves when it listens. */
export async function startedFilter(flags, started, root = checkout) {
  const child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), 'start', ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  started.push(child);
  for await (const line of createInterface({ input: child.stderr })) {
    const url = /"url":"([^"]+)"/.exec(line)?.[1];
    if (url === undefined) continue;
    // Read on: nobody else does, and a full pipe would hold it up.
    child.stderr.resume();
    return { pid: child.pid, port: Number(new URL(url).port) };
  }
  throw new Error('start ended');
}
