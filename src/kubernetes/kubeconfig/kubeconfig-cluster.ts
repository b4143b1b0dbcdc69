import { isIP } from 'node:net';
import type { Field } from '../../documents/field.js';
import type { NamedFiles } from './named-files.js';
import { authoritiesFault } from '../../outgoing/tls-material.js';

/** A kubeconfig's cluster: the server, and how to know it. */
export interface KubeconfigCluster {
  /** `https://host:6443/clusters/root`, without a slash at its end. */
  readonly server: string;
  /** PEM. Without it, the authorities that Node trusts. */
  readonly authorities?: string;
  /** DNS name or IP address that the server's certificate must be for, in place of the URL's. */
  readonly tlsServerName?: string;
  readonly insecureSkipTlsVerify: boolean;
  /** http, https or socks. */
  readonly proxyUrl?: string;
}

const proxyProtocols: ReadonlySet<string> = new Set([
  'http:',
  'https:',
  'socks:',
  'socks4:',
  'socks4a:',
  'socks5:',
  'socks5h:',
]);

/** @throws KubeconfigError */
export async function readCluster(cluster: Field, files: NamedFiles): Promise<KubeconfigCluster> {
  cluster.requireObject();
  const skipVerify = cluster.get('insecure-skip-tls-verify');
  const insecureSkipTlsVerify = skipVerify.boolean();
  const server = readServer(cluster.get('server'), insecureSkipTlsVerify);
  const authorities = await readAuthorities(cluster, files);
  if (authorities !== undefined && insecureSkipTlsVerify) {
    skipVerify.fail('cannot stand beside certificate-authority, which it would leave unused');
  }
  const tlsServerName = readTlsServerName(cluster.get('tls-server-name'));
  const proxyUrl = readProxyUrl(cluster.get('proxy-url'));
  return {
    server,
    ...(authorities === undefined ? {} : { authorities }),
    ...(tlsServerName === undefined ? {} : { tlsServerName }),
    insecureSkipTlsVerify,
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
  };
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

async function readAuthorities(cluster: Field, files: NamedFiles): Promise<string | undefined> {
  const pem = await files.pem(cluster, 'certificate-authority');
  if (pem === undefined) return undefined;
  const fault = authoritiesFault(pem.text);
  return fault === undefined ? pem.text : pem.field.fail(fault);
}

function readTlsServerName(field: Field): string | undefined {
  const name = field.optionalText();
  if (name === undefined || isIP(name) !== 0 || /^[A-Za-z0-9_.-]+$/.test(name)) return name;
  return field.fail('must be a host name');
}

function readProxyUrl(field: Field): string | undefined {
  const text = field.optionalText();
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === '' || !proxyProtocols.has(url.protocol)) {
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
