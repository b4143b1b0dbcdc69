import type { Cluster, Context, User } from '@kubernetes/client-node';
import { Agent, type OutgoingHttpHeaders } from 'node:http';
import type { RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { ExecCredential } from '../exec/exec-credential.js';
import type { KubeconfigCluster } from './kubeconfig-cluster.js';
import type { KubeconfigUser } from './kubeconfig-user.js';
import type { Kubeconfig } from './kubeconfig.js';
import { serverTrust } from '../../outgoing/server-trust.js';
import { defaultPort } from '../../outgoing/server-address.js';

/** How to reach a kubeconfig's API server, and with which credentials. */
export interface ServerOptions {
  /** Of every request. */
  readonly request: RequestOptions & { readonly headers: OutgoingHttpHeaders };
  /** Of every connection. */
  readonly tls: ConnectionOptions;
  /** Where there is a proxy. It opens a connection for each request, which has to bring the TLS options. */
  readonly proxyAgent: Agent | undefined;
}

/** TLS options, credentials and agent, as client-node works them out. */
type ClientNodeOptions = Pick<
  RequestOptions,
  'agent' | 'auth' | 'cert' | 'key' | 'rejectUnauthorized' | 'timeout'
> & { headers: OutgoingHttpHeaders };

/**
 * How long an HTTP proxy may take to answer (ms). A request that is ended leaves its CONNECT behind for as long;
 * for SOCKS, the agent has the same time of its own.
 */
const proxyTimeoutMs = 30_000;

/** `execCredential` is what the kubeconfig's exec plugin gave, where it has one. */
export async function serverOptions(
  { cluster, user }: Kubeconfig,
  execCredential: ExecCredential | undefined,
): Promise<ServerOptions> {
  const options = await clientNodeOptions(cluster, user, execCredential);
  const { agent, auth, cert, key, headers, rejectUnauthorized } = options;
  const { protocol, hostname, port } = new URL(cluster.server);
  const address = hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    request: {
      protocol,
      // What stands behind CONNECT is taken from here, and needs an IPv6 address' brackets.
      host: isHttpProxy(cluster.proxyUrl) ? hostname : address,
      port: port === '' ? defaultPort(protocol) : port,
      headers,
      ...(typeof auth === 'string' ? { auth } : {}),
    },
    tls: {
      ...serverTrust(cluster.tlsServerName ?? address, cluster.authorities),
      cert,
      key,
      rejectUnauthorized,
    },
    proxyAgent: cluster.proxyUrl === undefined ? undefined : proxyAgentOf(agent),
  };
}

/** It takes half a second of the event loop the first time, which only those pay who talk to an API server. */
export async function loadClientNode() {
  return import('@kubernetes/client-node');
}

/**
 * client-node is given the current context alone, with every file's content in place: by itself it would look
 * at files once, read tokens with their line ends, and leave out the CA of a context without user.
 */
async function clientNodeOptions(
  cluster: KubeconfigCluster,
  user: KubeconfigUser,
  execCredential: ExecCredential | undefined,
): Promise<ClientNodeOptions> {
  const { KubeConfig } = await loadClientNode();
  const context: Context = { name, cluster: name, user: name };
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [clientNodeCluster(cluster)],
    users: [clientNodeUser(user, execCredential)],
    contexts: [context],
    currentContext: name,
  });
  // Said outright, since Node would otherwise let an environment variable decide.
  const options: ClientNodeOptions = {
    rejectUnauthorized: !cluster.insecureSkipTlsVerify,
    headers: {},
    ...(isHttpProxy(cluster.proxyUrl) ? { timeout: proxyTimeoutMs } : {}),
  };
  await config.applyToHTTPSOptions(options);
  return options;
}

const name = 'current';

function clientNodeCluster(cluster: KubeconfigCluster): Cluster {
  const { server, authorities, tlsServerName, insecureSkipTlsVerify, proxyUrl } = cluster;
  return {
    name,
    server,
    skipTLSVerify: insecureSkipTlsVerify,
    ...(authorities === undefined ? {} : { caData: base64(authorities) }),
    ...(tlsServerName === undefined || isIP(tlsServerName) !== 0 ? {} : { tlsServerName }),
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
  };
}

function clientNodeUser(user: KubeconfigUser, execCredential: ExecCredential | undefined): User {
  const { credentials, impersonatedUser } = user;
  const token = credentials.kind === 'token' ? credentials.token : execCredential?.token;
  const pair = execCredential?.clientCertificate ?? user.clientCertificate;
  return {
    name,
    ...(token === undefined ? {} : { token }),
    ...(credentials.kind === 'basic'
      ? { username: credentials.username, password: credentials.password }
      : {}),
    ...(pair === undefined ? {} : { certData: base64(pair.certificate), keyData: base64(pair.privateKey) }),
    ...(impersonatedUser === undefined ? {} : { impersonateUser: impersonatedUser }),
  };
}

/** Without one, requests would go past the proxy. */
function proxyAgentOf(agent: ClientNodeOptions['agent']): Agent {
  if (agent instanceof Agent) return agent;
  throw new TypeError('client-node has made no agent for the proxy');
}

function isHttpProxy(proxyUrl: string | undefined): boolean {
  return proxyUrl?.startsWith('http') === true;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
