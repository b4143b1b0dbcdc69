import { isIP } from 'node:net';
import { dirname } from 'node:path';
import { readDocument } from '../../documents/documents.js';
import { Field } from '../../documents/field.js';
import { type FilesRead, readSettled } from '../../files/files-read.js';
import { authoritiesFault } from '../../outgoing/tls-material.js';
import { KubeconfigError } from '../kubernetes-errors.js';
import { inCluster, readInCluster, thisPod, type Pod } from './in-cluster.js';
import { NamedFiles, readUser, type KubeconfigUser } from './kubeconfig-user.js';
import { isDeepStrictEqual } from 'node:util';

/** A kubeconfig's current context with the contents of the files that it names. Plain data. */
export interface Kubeconfig {
  readonly cluster: KubeconfigCluster;
  readonly user: KubeconfigUser;
}

/** A kubeconfig's cluster: the server, and how to verify it. */
export interface KubeconfigCluster {
  /** `https://host:6443/clusters/root`, without a slash at its end. */
  readonly server: string;
  /** PEM. Without it, the authorities that Node trusts. */
  readonly authorities: string | undefined;
  /** DNS name or IP address that the server's certificate must be for, in place of the URL's. */
  readonly tlsServerName: string | undefined;
  readonly insecureSkipTlsVerify: boolean;
  /** http, https or socks. */
  readonly proxyUrl: string | undefined;
}

const maxBytes = 1024 * 1024;

/**
 * Reads a kubeconfig, or what `in-cluster` stands for, through `files`, which then knows all that it was read from.
 *
 * Refuses what client-node would ignore (`as-groups`, say, or some files' contents): a client with fewer restrictions
 * than configured is worse than none.
 *
 * @throws KubeconfigError
 */
export async function readKubeconfig(
  file: string,
  files: FilesRead,
  pod: Pod = thisPod,
): Promise<Kubeconfig> {
  if (file === inCluster) return readInCluster(pod, files);
  const config = await readRoot(file, files);
  const kind = config.get('kind');
  if ((kind.optionalText() ?? 'Config') !== 'Config') kind.fail('must be Config');
  const namedFiles = new NamedFiles(dirname(file), files);
  const context = named(config, 'contexts', config.get('current-context')).get('context');
  context.requireObject();
  const clusterField = named(config, 'clusters', context.get('cluster')).get('cluster');
  const cluster = await readCluster(clusterField, namedFiles);
  if (context.get('user').isEmpty) return { cluster, user: { credentials: { kind: 'none' } } };
  const userField = named(config, 'users', context.get('user')).get('user');
  const user = await readUser(userField, namedFiles, () => clusterInfo(cluster, clusterField));
  return { cluster, user };
}

async function readRoot(file: string, files: FilesRead): Promise<Field> {
  const reading = await files.read(file, maxBytes);
  if (reading.kind === 'fault') throw new KubeconfigError(file, reading.fault);
  const source = {
    file,
    fail: (line: number, fault: string): never => {
      throw new KubeconfigError(`${file}:${line}`, fault);
    },
  };
  const document = readDocument(reading.bytes.toString('utf8'), 'kubeconfig', source);
  try {
    // Converted to JSON, it has no cycles, and no substrings that keep the whole text in memory.
    return Field.root({ ...document, value: JSON.parse(JSON.stringify(document.value)) });
  } catch {
    return source.fail(1, 'an alias cannot be followed');
  }
}

/** The entry of a list that a field names. */
function named(config: Field, list: string, reference: Field): Field {
  const name = reference.string();
  const [entry, other] = config
    .get(list)
    .items()
    .filter((candidate) => candidate.get('name').value === name);
  if (entry === undefined) return reference.fail(`is the name of none of the ${list}`);
  if (other !== undefined) other.get('name').fail('is given twice');
  return entry;
}

/** The `Cluster` that exec plugins know, with the settings that a kubeconfig has for them. */
function clusterInfo(cluster: KubeconfigCluster, field: Field): unknown {
  const { server, authorities, tlsServerName, insecureSkipTlsVerify, proxyUrl } = cluster;
  const extension = field
    .get('extensions')
    .items()
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

const proxyProtocols = /^(?:https?|socks(?:4a?|5h?)?):$/;

async function readCluster(cluster: Field, files: NamedFiles): Promise<KubeconfigCluster> {
  cluster.requireObject();
  const skipVerify = cluster.get('insecure-skip-tls-verify');
  const insecureSkipTlsVerify = skipVerify.boolean();
  const server = readServer(cluster.get('server'), insecureSkipTlsVerify);
  const pem = await files.pem(cluster, 'certificate-authority');
  const fault = pem && authoritiesFault(pem.text);
  if (fault !== undefined) pem?.field.fail(fault);
  if (pem !== undefined && insecureSkipTlsVerify) {
    skipVerify.fail('cannot be combined with certificate-authority, which would then not be used');
  }
  const serverName = cluster.get('tls-server-name');
  const tlsServerName = serverName.optionalText();
  if (tlsServerName !== undefined && isIP(tlsServerName) === 0 && !/^[A-Za-z0-9_.-]+$/.test(tlsServerName)) {
    serverName.fail('must be a host name');
  }
  const proxyUrl = readProxyUrl(cluster.get('proxy-url'));
  return { server, authorities: pem?.text, tlsServerName, insecureSkipTlsVerify, proxyUrl };
}

function readServer(field: Field, insecureSkipTlsVerify: boolean): string {
  const text = field.string();
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) field.fail('must be an http or https URL');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') field.fail('must not hold credentials');
  if (/[?#]/.test(text)) field.fail('must not have a query or a fragment');
  if (url.protocol === 'http:' && !insecureSkipTlsVerify) {
    field.fail('is plain http, which only insecure-skip-tls-verify allows');
  }
  return url.href.replace(/\/+$/, '');
}

function readProxyUrl(field: Field): string | undefined {
  const text = field.optionalText();
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === '' || !proxyProtocols.test(url.protocol)) {
    return field.fail('must be an http, https or socks5 URL');
  }
  // The proxies' agents would look the brackets up as part of a name.
  if (url.hostname.startsWith('[')) field.fail('must have a host name or an IPv4 address');
  try {
    decodeURIComponent(url.username);
    decodeURIComponent(url.password);
  } catch {
    field.fail('has credentials with a broken percent-encoding');
  }
  return url.href;
}

/** A kubeconfig that is followed, with every file that it names. */
export class KubeconfigFile {
  /** Why the last reading failed. */
  #failure: string | undefined;
  #refreshing: Promise<Kubeconfig> | undefined;

  private constructor(
    private readonly readAnew: () => ReturnType<typeof read>,
    private readonly onWarning: (message: string) => void,
    /** Everything that the last reading read, even if it failed. */
    private files: FilesRead,
    /** The last usable version; the same object as long as nothing in it changes. */
    public current: Kubeconfig,
  ) {}

  /**
   * `onWarning` is called once with each reason why a later version cannot be used; `faultOf` says what is wrong with one
   * that could be.
   *
   * @throws KubeconfigError
   */
  static async open(
    file: string,
    onWarning: (message: string) => void,
    pod: Pod,
    faultOf: FaultOf = () => undefined,
  ): Promise<KubeconfigFile> {
    const readAnew = (): ReturnType<typeof read> => read(file, pod, faultOf);
    const { files, result } = await readAnew();
    if (result instanceof KubeconfigError) throw result;
    return new KubeconfigFile(readAnew, onWarning, files, result);
  }

  /** Reads the files again if any has changed. One check serves all simultaneous callers. */
  refresh(): Promise<Kubeconfig> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(): Promise<Kubeconfig> {
    if (!(await this.files.mayHaveChanged())) return this.current;
    const { files, result } = await this.readAnew();
    this.files = files;
    if (!(result instanceof KubeconfigError)) {
      this.#failure = undefined;
      if (!isDeepStrictEqual(result, this.current)) this.current = result;
    } else if (result.message !== this.#failure) {
      this.#failure = result.message;
      this.onWarning(`${result.message}; the version before stays in use`);
    }
    return this.current;
  }
}

type FaultOf = (kubeconfig: Kubeconfig) => string | undefined;

function read(file: string, pod: Pod, faultOf: FaultOf) {
  return readSettled(async (files) => {
    try {
      const kubeconfig = await readKubeconfig(file, files, pod);
      const fault = faultOf(kubeconfig);
      return fault === undefined ? kubeconfig : new KubeconfigError(file, fault);
    } catch (error) {
      if (error instanceof KubeconfigError) return error;
      throw error;
    }
  });
}
