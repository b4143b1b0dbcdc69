import { Agent, type OutgoingHttpHeaders } from 'node:http';
import type { RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { codeOf } from '../../error-class.js';
import { presentOnly } from '../../present-only.js';
import { keepAliveAgent, type ConnectionPool } from '../../outgoing/connection-pool.js';
import { hostOf, portOf, serverTrust } from '../../outgoing/server-trust.js';
import type { ClientCertificate } from '../../outgoing/tls-material.js';
import type { ExecCredential } from '../exec/exec-plugin.js';
import { KubernetesClientMissingError } from '../kubernetes-errors.js';
import type { Kubeconfig, KubeconfigCluster } from './kubeconfig.js';
import type { KubeconfigUser } from './kubeconfig-user.js';

/** Of every request, with the agent that has the connections. */
type ConnectionRequestOptions = RequestOptions & { readonly headers: OutgoingHttpHeaders };

/** TLS options, credentials and agent, as determined by client-node. */
type ClientNodeOptions = Pick<
  RequestOptions,
  'agent' | 'auth' | 'cert' | 'key' | 'rejectUnauthorized' | 'timeout'
> & { headers: OutgoingHttpHeaders };

/**
 * How long an HTTP proxy may take to answer (ms). The CONNECT of an aborted request lasts as long; for SOCKS, the agent
 * has the same timeout.
 */
const proxyTimeoutMs = 30_000;

/**
 * Options of requests to the kubeconfig's server, with an agent of `pool`; `execCredential` is what its exec plugin gave,
 * if it has one.
 */
export async function connectionOptions(
  pool: ConnectionPool,
  { cluster, user }: Kubeconfig,
  execCredential: ExecCredential | undefined,
): Promise<ConnectionRequestOptions> {
  const certificate = execCredential?.clientCertificate ?? user.clientCertificate;
  const found = await clientNodeOptions(cluster, user, certificate, execCredential?.token);
  const { auth, cert, key, headers, rejectUnauthorized } = found;
  const url = new URL(cluster.server);
  const trust = serverTrust(cluster.tlsServerName ?? hostOf(url), cluster.authorities);
  const tls: ConnectionOptions = { ...trust, cert, key, rejectUnauthorized };
  const hasProxy = cluster.proxyUrl !== undefined;
  const agent = pool.agentFor([JSON.stringify([cluster, certificate])], () =>
    hasProxy ? proxyAgentOf(found.agent) : keepAliveAgent(url.protocol, tls),
  );
  return {
    protocol: url.protocol,
    // The target of CONNECT is taken from here; an IPv6 address needs its brackets.
    host: isHttpProxy(cluster.proxyUrl) ? url.hostname : hostOf(url),
    port: portOf(url),
    headers,
    ...(typeof auth === 'string' && { auth }),
    agent,
    // A proxy's agent opens a connection for each request, which must have the TLS options. Otherwise only the agent
    // has them: Node does not share connections between requests with their own.
    ...(hasProxy && tls),
  };
}

/**
 * Loads client-node, which takes half a second of the event loop: now rather than at the first request.
 *
 * @throws KubernetesClientMissingError
 */
export async function requireClientNode(importIt: () => Promise<unknown> = importClientNode): Promise<void> {
  await importIt().catch((error: unknown) => {
    throw codeOf(error) === 'ERR_MODULE_NOT_FOUND' ? new KubernetesClientMissingError() : error;
  });
}

function importClientNode() {
  return import('@kubernetes/client-node');
}

/**
 * client-node gets only the current context, with every file's content inlined: by itself it would read files once, keep
 * the line ends of tokens, and leave out the CA of a context without user.
 */
async function clientNodeOptions(
  { server, authorities, tlsServerName, insecureSkipTlsVerify, proxyUrl }: KubeconfigCluster,
  { credentials, impersonatedUser }: KubeconfigUser,
  certificate: ClientCertificate | undefined,
  execToken: string | undefined,
): Promise<ClientNodeOptions> {
  const { KubeConfig } = await importClientNode();
  const name = 'current';
  const config = new KubeConfig();
  const cluster = presentOnly({
    caData: base64(authorities),
    tlsServerName: tlsServerName === undefined || isIP(tlsServerName) !== 0 ? undefined : tlsServerName,
    proxyUrl,
  });
  const { username, password } =
    credentials.kind === 'basic' ? credentials : { username: undefined, password: undefined };
  const user = presentOnly({
    token: credentials.kind === 'token' ? credentials.token : execToken,
    certData: base64(certificate?.certificate),
    keyData: base64(certificate?.privateKey),
    username,
    password,
    impersonateUser: impersonatedUser,
  });
  config.loadFromOptions({
    clusters: [{ name, server, skipTLSVerify: insecureSkipTlsVerify, ...cluster }],
    users: [{ name, ...user }],
    contexts: [{ name, cluster: name, user: name }],
    currentContext: name,
  });
  const options: ClientNodeOptions = {
    // Otherwise Node would let an environment variable decide.
    rejectUnauthorized: !insecureSkipTlsVerify,
    headers: {},
    ...(isHttpProxy(proxyUrl) && { timeout: proxyTimeoutMs }),
  };
  await config.applyToHTTPSOptions(options);
  return options;
}

/** Without one, requests would go past the proxy. */
function proxyAgentOf(agent: ClientNodeOptions['agent']): Agent {
  if (agent instanceof Agent) return agent;
  throw new TypeError('client-node has made no agent for the proxy');
}

function isHttpProxy(proxyUrl: string | undefined): boolean {
  return proxyUrl?.startsWith('http') === true;
}

function base64(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text).toString('base64');
}
