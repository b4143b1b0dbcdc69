import { createReadStream } from 'node:fs';
import type { Socket } from 'node:net';

/** Of this network namespace; `/proc/net` may be hidden where this is not. */
const tables = ['/proc/self/net/tcp', '/proc/self/net/tcp6'] as const;

/** What names a connection in the kernel's tables. Clients of two addresses may have the same port, and then count as one. */
export function portsOf({ localPort = 0, remotePort = 0 }: Pick<Socket, 'localPort' | 'remotePort'>): string {
  return `${hexOf(localPort)}:${hexOf(remotePort)}`;
}

/**
 * What the kernel holds of each of these connections since its other end has not acknowledged it (bytes); none that it
 * holds nothing of. Undefined where that cannot be known: on other systems than Linux, and where /proc is hidden.
 */
export async function sendQueues(
  wanted: ReadonlySet<string>,
): Promise<ReadonlyMap<string, number> | undefined> {
  const queues = new Map<string, number>();
  try {
    for (const table of tables) {
      let rest = '';
      for await (const chunk of createReadStream(table, 'latin1') as AsyncIterable<string>) {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const [, local = '', remote = '', , held = ''] = line.trim().split(/\s+/, 5);
          const ports = `${local.slice(-4)}:${remote.slice(-4)}`;
          const bytes = parseInt(held, 16);
          if (bytes > 0 && wanted.has(ports)) queues.set(ports, (queues.get(ports) ?? 0) + bytes);
        }
      }
    }
  } catch {
    return queues.size > 0 ? queues : undefined;
  }
  return queues;
}

function hexOf(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
