/** Where requests go, without credentials. */
export interface ServerAddress {
  /** `https://host:port/base/path` */
  readonly server: string;
  /** `host:port` */
  readonly host: string;
  /** Empty, or with a slash at its beginning and none at its end. */
  readonly basePath: string;
}

/** `url` is an http or https URL; `basePath` makes of its path the one that requests stand below. */
export function serverAddress(url: string, basePath: (serverPath: string) => string): ServerAddress {
  const { protocol, hostname, port, pathname } = new URL(url);
  const host = `${hostname}:${port === '' ? defaultPort(protocol) : port}`;
  const path = trimmed(basePath(trimmed(pathname)));
  return { server: `${protocol}//${host}${path}`, host, basePath: path };
}

export function defaultPort(protocol: string): number {
  return protocol === 'https:' ? 443 : 80;
}

function trimmed(path: string): string {
  const bare = path.replace(/^\/+|\/+$/g, '');
  return bare === '' ? '' : `/${bare}`;
}
