import { isIP } from 'node:net';
import { join } from 'node:path';
import type { FilesRead } from '../../files/files-read.js';
import { authoritiesFault } from '../../outgoing/tls-material.js';
import { isHeaderToken } from '../exec/exec-plugin.js';
import { KubeconfigError } from '../kubernetes-errors.js';

/** In place of a kubeconfig's name: the service account of the pod. A file of this name is `./in-cluster`. */
export const inCluster = 'in-cluster';

/** Where a pod finds its service account and its API server; tests pass their own. */
export interface Pod {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export const thisPod: Pod = {
  directory: '/var/run/secrets/kubernetes.io/serviceaccount',
  environment: process.env,
};

const maxTokenBytes = 64 * 1024;
const maxAuthoritiesBytes = 1024 * 1024;

/**
 * The same as client-go's in-cluster configuration, but without the authorities nothing is sent: client-go goes on
 * with those of the system.
 *
 * @throws KubeconfigError
 */
export async function readInCluster({ directory, environment }: Pod, files: FilesRead) {
  const fail = (problem: string): never => {
    throw new KubeconfigError(inCluster, problem);
  };
  const variable = (name: string): string => {
    const value = environment[name] ?? '';
    return value === '' ? fail(`${name} is not set, as it is in a pod`) : value;
  };
  const text = async (name: string, maxBytes: number): Promise<string> => {
    const file = join(directory, name);
    const reading = await files.read(file, maxBytes);
    return reading.kind === 'bytes' ? reading.bytes.toString('utf8') : fail(`${file} ${reading.fault}`);
  };
  const host = variable('KUBERNETES_SERVICE_HOST');
  if (!/^[A-Za-z0-9._-]+$/.test(host) && isIP(host) === 0)
    fail('KUBERNETES_SERVICE_HOST is neither a host name nor an IP address');
  const port = variable('KUBERNETES_SERVICE_PORT');
  if (!/^[1-9]\d{0,4}$/.test(port) || Number(port) > 65_535) fail('KUBERNETES_SERVICE_PORT is not a port');
  const token = (await text('token', maxTokenBytes)).trim();
  if (!isHeaderToken(token)) fail(`${join(directory, 'token')} holds no token`);
  const authorities = await text('ca.crt', maxAuthoritiesBytes);
  const fault = authoritiesFault(authorities);
  if (fault !== undefined) fail(`${join(directory, 'ca.crt')} ${fault}`);
  return {
    cluster: {
      server: `https://${isIP(host) === 6 ? `[${host}]` : host}:${port}`,
      authorities,
      tlsServerName: undefined,
      insecureSkipTlsVerify: false,
      proxyUrl: undefined,
    },
    user: { credentials: { kind: 'token' as const, token } },
  };
}
