import type { AuditSink } from '../../request/steps/audit.js';
import type { RunningServer } from '../../server/start-server.js';
import type { FlagValues } from '../../options/flags.js';
import { start } from '../start.js';
import type { Credentials } from './credentials.js';
import type { DemoPolicy } from './policy.js';

export const serverNames = {
  root: 'root shard',
  second: 'second shard',
  cache: 'cache server',
} as const;

export type ServerRole = keyof typeof serverNames;

export interface DemoServers {
  readonly urls: Readonly<Record<ServerRole, string>>;
  close(): Promise<void>;
}

/** Starts all three as `kcp-metrics-filter start` does, on free ports of 127.0.0.1; none stays when one fails. */
export async function startServers(
  { files }: Credentials,
  policy: DemoPolicy,
  onAuditEvent: AuditSink,
): Promise<DemoServers> {
  const { tokenAuthFile, ...certificates } = files;
  const running: RunningServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(running.map((server) => server.close()));
  };
  const startOne = async (values: FlagValues): Promise<string> => {
    // Below errors the log would stand between the lines of the table.
    const common = { ...certificates, bindAddress: '127.0.0.1', securePort: '0', logLevel: 'error' };
    const server = await start({ ...common, ...values }, { onAuditEvent });
    running.push(server);
    return server.url;
  };
  try {
    const urls = {
      root: await startOne({ mode: 'shard', tokenAuthFile, rbacDir: policy.root }),
      second: await startOne({ mode: 'shard', tokenAuthFile, rbacDir: policy.second }),
      cache: await startOne({ mode: 'cache-server' }),
    };
    return { urls, close };
  } catch (error) {
    await close();
    throw error;
  }
}
