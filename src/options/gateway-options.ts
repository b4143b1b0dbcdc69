import type { NoTenantError, UpstreamError } from '../exposition/exposition-errors.js';
import type { CallerHeaders } from '../exposition/sources/upstream/upstream-identity.js';
import type { UpstreamTls } from '../outgoing/upstream-client.js';
import { isHealthPath, pathPatterns } from '../paths/always-allow.js';
import { createPathClassifier, workspaceTargetsPath, zPagePaths } from '../paths/classify.js';
import type { Backend } from '../request/steps/pass-to-backend.js';
import { authorization, pathsAllowedToAll } from './authorization-options.js';
import { fault, flagName, needs, topic, type GivenOptions } from './option.js';
import { count, duration, list, parsed, quoted } from './option-kinds.js';
import type { Opened } from './starting.js';

/** Other paths than those of metrics, each guarded like them and passed on to another server. */
export const gateway = topic(
  'Gateway',
  {
    gatewayPath: parsed(list('path=URL'), gatewayPathsIn, new Map<string, string>()).help(
      'paths and the http or https URLs that requests for them are passed on to, whatever their method: /api/v1/push=http://127.0.0.1:8080; without a path in the URL, the same path is asked for; a path that ends in /* stands for all below it; RBAC grants each path by its own name and verb, such as post',
      { kind: 'pair' },
    ),
    gatewayMaxBody: count(10_485_760, { min: 1, unit: 'bytes' }).help(
      `maximum size of the body of a request for a path of ${flagName('gatewayPath')}; larger ones are answered 413`,
    ),
    gatewayMaxBytesPerSecondByIdentity: count(0, { unit: 'bytes' }).help(
      'bytes of such bodies per second of a user, with bursts of twice as many; further requests are answered 429, and a body that is being sent is read at that pace; 0: no limit',
    ),
    gatewayTimeout: duration('30s', { min: '1ms', max: '55s' }).help(
      'how long the backend may take until its answer begins, with the time to send it the body; then the request is answered 504',
    ),
  },
  [needs(['gatewayMaxBody', 'gatewayMaxBytesPerSecondByIdentity', 'gatewayTimeout'], 'gatewayPath')],
);

const plainPath = /^(?:\/[A-Za-z0-9_.~-]+)+(?:\/\*)?$/;
/** The last are Kubernetes' own, which its rules open to everybody, or to all service accounts, by their names. */
const ownPaths: readonly string[] = [
  ...zPagePaths,
  '/version',
  workspaceTargetsPath,
  ...['/api', '/apis', '/openapi', '/openid/v1/jwks', '/.well-known/openid-configuration'],
];

/** URLs by the path, exact or ending in `/*`, whose requests are passed on to them. */
function gatewayPathsIn(given: readonly string[]): ReadonlyMap<string, string> {
  return urlsByPath(given, plainPath, 'must be a path and a URL: /api/v1/push=http://…', (path) => {
    if (!isFree(path)) throw new RangeError(`${path} has a meaning of its own in this server`);
  });
}

/** Reads each `path=URL`. `form` is the fault of what is none; `check` throws for a path that cannot be taken. */
export function urlsByPath(
  given: readonly string[],
  paths: RegExp,
  form: string,
  check: (path: string, url: string) => void,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const one of given) {
    const [, path = '', url] = /^([^=?]*)=(.*)$/s.exec(one) ?? [];
    if (url === undefined || !paths.test(path)) throw new RangeError(form);
    check(path, url);
    if (found.has(path)) throw new RangeError(`${path} is given twice`);
    found.set(path, url);
  }
  return found;
}

/** Whether it can be a path of the gateway. */
export function canBePassedOn(path: string): boolean {
  return plainPath.test(path) && isFree(path);
}

/** Whether neither this server nor a kcp that it stands for means something else by it. */
function isFree(pattern: string): boolean {
  const path = pattern.replace(/\*$/, 'x');
  return (
    !ownPaths.some(pathPatterns([pattern])) &&
    !isHealthPath(path) &&
    (['shard', 'cache-server'] as const).every((serverKind) => {
      const classify = createPathClassifier({ serverKind, endpoints: [], gatewayPaths: [pattern] });
      return classify(path).kind === 'gateway';
    })
  );
}

interface GatewayContext {
  readonly tls: UpstreamTls;
  readonly headers: CallerHeaders;
  readonly opened: Opened;
  readonly events: {
    readonly onFailure: (path: string, error: UpstreamError) => void;
    readonly onNoTenant: (error: NoTenantError) => void;
  };
}

/** Undefined where no path is given. Sends no request yet. @throws UsageError naming the option. */
export async function openGateway(given: GivenOptions, { tls, headers, opened, events }: GatewayContext) {
  const values = gateway.read(given);
  if (values.gatewayPath.size === 0) return undefined;
  refuseOpenPaths(given);
  const { NoTenantError } = await import('../exposition/exposition-errors.js');
  const { callerWriter } = await import('../exposition/sources/upstream/upstream-identity.js');
  const { UpstreamClient } = await import('../outgoing/upstream-client.js');
  const backends = [...values.gatewayPath].map(([path, text]) => {
    const url = new URL(text);
    const client = opened.add(new UpstreamClient(url, tls));
    const callerOf = callerWriter(headers, client.address);
    const backend: Backend = {
      client,
      path: url.pathname === '/' ? undefined : url.pathname,
      callerHeaders: (user) => {
        try {
          return callerOf(user);
        } catch (error) {
          if (error instanceof NoTenantError) events.onNoTenant(error);
          throw error;
        }
      },
      onFailure: events.onFailure.bind(undefined, path),
    };
    return [path, backend] as const;
  });
  return {
    backends: new Map(backends),
    maxBodyBytes: values.gatewayMaxBody,
    bytesPerSecondByIdentity: values.gatewayMaxBytesPerSecondByIdentity,
    timeoutMs: values.gatewayTimeout,
  };
}

function refuseOpenPaths(given: GivenOptions): void {
  const { authorizationAlwaysAllowPaths } = authorization.options;
  const allowed = pathsAllowedToAll(given);
  for (const path of gateway.read(given).gatewayPath.keys()) {
    const name = allowed.find((pattern) => overlap(pattern, path));
    if (name === undefined) continue;
    const reason = `as ${quoted(name)} of ${authorizationAlwaysAllowPaths.name} says`;
    throw fault(gateway.options.gatewayPath, `${path} cannot be open to everybody, ${reason}`);
  }
}

/** Whether an always-allow pattern and a path of the gateway, each exact or a prefix, have a path in common. */
function overlap(pattern: string, path: string): boolean {
  if (pattern === '') return false;
  const allowed = `/${pattern.replace(/^\//, '')}`;
  const [start, other] = [allowed, path].map((text) => text.replace(/\*$/, '')) as [string, string];
  return (
    start === other ||
    (allowed.endsWith('*') && other.startsWith(start)) ||
    (path.endsWith('*') && start.startsWith(other))
  );
}
