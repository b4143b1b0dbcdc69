import { dirname } from 'node:path';
import type { FilesRead } from '../../files/files-read.js';
import { readCluster, type KubeconfigCluster } from './kubeconfig-cluster.js';
import { KubeconfigError } from './kubeconfig-error.js';
import { KubeconfigField } from './kubeconfig-field.js';
import { anonymousUser, readUser, type KubeconfigUser } from './kubeconfig-user.js';
import { readYaml } from './kubeconfig-yaml.js';
import { NamedFiles } from './named-files.js';

/** What a kubeconfig's current context says, with the contents of the files that it names. Plain data. */
export interface Kubeconfig {
  readonly cluster: KubeconfigCluster;
  readonly user: KubeconfigUser;
}

const maxBytes = 1024 * 1024;

/**
 * Reads a kubeconfig through `files`, which then knows all that it was read from.
 *
 * Where client-node would pass over what it does not know (`as-groups`, say), or over a file's content, this
 * refuses it: a client with fewer restrictions than were written down is worse than none.
 *
 * @throws KubeconfigError
 */
export async function readKubeconfig(file: string, files: FilesRead): Promise<Kubeconfig> {
  const config = await readDocument(file, files);
  const kind = config.get('kind');
  if ((kind.optionalString() ?? 'Config') !== 'Config') kind.fail('must be Config');
  const namedFiles = new NamedFiles(dirname(file), files);
  const context = named(config, 'contexts', config.get('current-context')).get('context');
  context.requireObject();
  const clusterField = named(config, 'clusters', context.get('cluster')).get('cluster');
  const cluster = await readCluster(clusterField, namedFiles);
  if (context.get('user').isEmpty) return { cluster, user: anonymousUser };
  const userField = named(config, 'users', context.get('user')).get('user');
  const user = await readUser(userField, namedFiles, () => clusterInfo(cluster, clusterField));
  return { cluster, user };
}

async function readDocument(file: string, files: FilesRead): Promise<KubeconfigField> {
  const reading = await files.read(file, maxBytes);
  if (reading.kind === 'fault') throw new KubeconfigError(file, reading.fault);
  const yaml = readYaml(reading.bytes.toString('utf8'));
  if (yaml.kind === 'fault') throw new KubeconfigError(file, yaml.fault);
  return new KubeconfigField(yaml.value, file);
}

/** The entry of a list that a field names. */
function named(config: KubeconfigField, list: string, reference: KubeconfigField): KubeconfigField {
  const name = reference.string();
  const [entry, other] = config
    .get(list)
    .list()
    .filter((candidate) => candidate.get('name').value === name);
  if (entry === undefined) return reference.fail(`is the name of none of the ${list}`);
  if (other !== undefined) other.get('name').fail('stands there twice');
  return entry;
}

/** The `Cluster` that exec plugins know, with the settings that a kubeconfig has for them. */
function clusterInfo(cluster: KubeconfigCluster, field: KubeconfigField): unknown {
  const { server, authorities, tlsServerName, insecureSkipTlsVerify, proxyUrl } = cluster;
  const extension = field
    .get('extensions')
    .list()
    .find((candidate) => candidate.get('name').value === 'client.authentication.k8s.io/exec');
  return {
    server,
    'tls-server-name': tlsServerName,
    'insecure-skip-tls-verify': insecureSkipTlsVerify,
    'certificate-authority-data':
      authorities === undefined ? undefined : Buffer.from(authorities).toString('base64'),
    'proxy-url': proxyUrl,
    config: extension?.get('extension').value,
  };
}
