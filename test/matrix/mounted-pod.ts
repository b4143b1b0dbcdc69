import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { ControlPlane } from '../e2e/control-plane.js';
import type { ServiceAccount, ServiceAccounts } from '../e2e/service-accounts.js';
import type { TemporaryDirectory } from '../support/temporary-directory.js';

interface Projection {
  readonly secret?: { readonly name: string };
  readonly serviceAccountToken?: { readonly path: string; readonly audience?: string };
}

interface PodSpec {
  readonly containers: readonly {
    readonly name: string;
    readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  }[];
  readonly volumes: readonly {
    readonly name: string;
    readonly secret?: { readonly secretName: string };
    readonly configMap?: { readonly name: string };
    readonly projected?: { readonly sources: readonly Projection[] };
  }[];
}

export interface PodPlace {
  readonly controlPlane: ControlPlane;
  readonly accounts: ServiceAccounts;
  /** Whom the pod runs as. */
  readonly account: ServiceAccount;
  readonly directory: TemporaryDirectory;
}

/**
 * The volumes of a container as a kubelet would mount them, each in a directory of its own. What it resolves to replaces
 * the container's paths in a text by those of here.
 */
export async function mountVolumes(
  spec: PodSpec,
  container: string,
  { controlPlane, accounts, account, directory }: PodPlace,
): Promise<(text: string) => string> {
  const { volumeMounts = [] } = spec.containers.find(({ name }) => name === container) ?? {};
  const places = new Map<string, string>();
  for (const { name, mountPath } of volumeMounts) {
    const volume = spec.volumes.find((one) => one.name === name);
    const place = join(directory.path, name);
    mkdirSync(place);
    places.set(mountPath, place);
    const write = (file: string, content: Buffer | string): void => {
      directory.write(join(name, file), content.toString());
    };
    const ofSecret = async (secret: string): Promise<void> => {
      const data = await dataOf(controlPlane, account.namespace, `secrets/${secret}`);
      for (const [file, content] of Object.entries(data)) write(file, Buffer.from(content, 'base64'));
    };
    if (volume?.secret !== undefined) await ofSecret(volume.secret.secretName);
    if (volume?.configMap !== undefined) {
      const map = `configmaps/${volume.configMap.name}`;
      const data = await dataOf(controlPlane, account.namespace, map);
      for (const [file, content] of Object.entries(data)) write(file, content);
    }
    for (const { secret, serviceAccountToken } of volume?.projected?.sources ?? []) {
      if (secret !== undefined) await ofSecret(secret.name);
      if (serviceAccountToken === undefined) continue;
      const { path, audience } = serviceAccountToken;
      write(
        path,
        await accounts.requestToken(account, audience === undefined ? {} : { audiences: [audience] }),
      );
    }
  }
  // As whole paths: /prometheus is also a part of others.
  const longestFirst = [...places.keys()].sort((one, other) => other.length - one.length);
  const paths = new RegExp(`(?<![^\\s"'])(?:${longestFirst.join('|')})(?=[/\\s"'])`, 'g');
  return (text) => text.replaceAll(paths, (path) => places.get(path) ?? path);
}

export async function dataOf(
  controlPlane: ControlPlane,
  namespace: string,
  object: string,
): Promise<Readonly<Record<string, string>>> {
  const { status, body } = await controlPlane.request('GET', `/api/v1/namespaces/${namespace}/${object}`);
  if (status !== 200) throw new Error(`${status} to ${object}`);
  return (body as { readonly data?: Readonly<Record<string, string>> }).data ?? {};
}

/** The configuration that the operator wrote, as its reloader hands it to the first Prometheus. */
export async function writtenConfiguration(controlPlane: ControlPlane): Promise<string> {
  const data = await dataOf(controlPlane, 'monitoring', 'secrets/prometheus-prometheus');
  const text = gunzipSync(Buffer.from(data['prometheus.yaml.gz'] ?? '', 'base64')).toString();
  return text.replaceAll('$(SHARD)', '0').replaceAll('$(POD_NAME)', 'prometheus-prometheus-0');
}
