import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { etcdBinary } from './binaries.js';
import { freePort } from './free-port.js';
import { ServerProcess } from './server-process.js';

/** The store of one API server. */
export interface Etcd {
  readonly url: string;
  /** Forgets every revision but the present one, so that no older resourceVersion can be had from it. */
  compact(): Promise<void>;
  /** Comes back without any data, at revision 1. */
  wipe(): Promise<void>;
  stop(): Promise<void>;
}

/** One member on free ports of 127.0.0.1, without TLS, its data in `<directory>/etcd`. */
export async function startEtcd(directory: string): Promise<Etcd> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  const data = join(directory, 'etcd');
  const start = (): Promise<ServerProcess> =>
    ServerProcess.start({
      name: 'etcd',
      binary: etcdBinary,
      args: [
        `--data-dir=${data}`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=default=${peerUrl}`,
        // What is lost with the machine is lost with the test.
        '--unsafe-no-fsync',
        '--log-level=warn',
      ],
      logFile: join(directory, 'etcd.log'),
      isReady: async () => (await fetch(`${url}/readyz`)).ok,
    });
  let server = await start();
  return {
    url,
    async compact() {
      const { header } = await post<{ header: { revision: string } }>(url, 'maintenance/status', {});
      await post(url, 'kv/compaction', { revision: header.revision, physical: true });
    },
    async wipe() {
      await server.kill();
      await rm(data, { recursive: true });
      server = await start();
    },
    stop: () => server.kill(),
  };
}

/** A call of etcd's API through its JSON gateway: https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/ */
async function post<Answer>(url: string, call: string, body: unknown): Promise<Answer> {
  const response = await fetch(`${url}/v3/${call}`, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`etcd answers ${response.status} to ${call}`);
  return (await response.json()) as Answer;
}
