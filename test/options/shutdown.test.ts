import { kill } from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { atEnd } from '../support/ending.js';
import { RawClient, requestOnce } from '../support/raw-tls.js';
import { startProcess, type StartedProcess } from '../support/started-server.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const admin = { Authorization: 'Bearer token-of-admin' };

const directory = temporaryDirectory();
const tokens = directory.write('tokens.csv', 'token-of-admin,admin,1,system:masters\n');

async function started(...flags: readonly string[]): Promise<StartedProcess> {
  const server = await startProcess(['--mode=shard', `--token-auth-file=${tokens}`, ...flags]);
  atEnd(() => {
    if (isRunning(server.pid)) kill(server.pid, 'SIGKILL');
  });
  return server;
}

function isRunning(pid: number): boolean {
  try {
    return kill(pid, 0);
  } catch {
    return false;
  }
}

async function statusOf({ port }: StartedProcess, target: string): Promise<number | undefined> {
  const answer = await requestOnce({ port }, target, { headers: admin }).catch(() => undefined);
  return answer?.status;
}

describe('a server that is asked to stop', () => {
  it.each([[[]], [['--workers=2']]])(
    'serves on for the delay while it is not ready, then ends with exit code 0 %j',
    async (flags) => {
      const server = await started('--shutdown-delay-duration=2s', ...flags);
      const kept = new RawClient({ port: server.port });
      expect((await kept.request('/readyz')).status).toBe(200);
      const before = performance.now();
      const ended = server.stop('SIGTERM');
      await expect.poll(() => statusOf(server, '/readyz'), { interval: 10 }).toBe(500);
      const ready = await kept.request('/readyz');
      expect(ready.body).toContain('[-]shutdown failed');
      expect(await statusOf(server, '/livez')).toBe(200);
      expect(await statusOf(server, '/metrics')).toBe(200);
      expect((await kept.request('/metrics', { headers: admin })).status).toBe(200);
      expect(await ended).toBe(0);
      const tookMs = performance.now() - before;
      expect(tookMs).toBeGreaterThan(1950);
      expect(tookMs).toBeLessThan(10_000);
    },
  );

  it('ends at once without a delay', async () => {
    const server = await started();
    const before = performance.now();
    expect(await server.stop('SIGTERM')).toBe(0);
    expect(performance.now() - before).toBeLessThan(5000);
  });

  it('ends with exit code 1 where SIGTERM comes again, a second later', async () => {
    const server = await started('--shutdown-delay-duration=1h');
    const ended = server.stop('SIGTERM');
    await expect.poll(() => statusOf(server, '/readyz'), { interval: 10 }).toBe(500);
    // Once, since Node listens to no signal while it ends.
    await pause(1100);
    kill(server.pid, 'SIGTERM');
    expect(await ended).toBe(1);
  });

  it('takes Ctrl-C, however often, for one request to stop', async () => {
    const server = await started('--shutdown-delay-duration=3s');
    const ended = server.stop('SIGINT');
    for (let again = 0; again < 3; again += 1) {
      await pause(500);
      kill(server.pid, 'SIGINT');
    }
    expect(await ended).toBe(0);
  });
});
