import { allowedPaths } from '../../request/steps/allow-paths.js';
import { audiencesOf } from '../../options/authentication/service-account-flags.js';
import { servesSlis } from '../../options/exposition/slis-flags.js';
import { ownMetricsPath } from '../../options/exposition/upstream-flags.js';
import { upstreamPathsOf, upstreamsOf } from '../../options/exposition/upstream-targets.js';
import { parsePort } from '../../options/flag-values.js';
import { booleanOf, isGiven, valueOf, type Flag, type FlagValues } from '../../options/flags.js';
import { bootstrapPolicyFlag, namesPolicySource } from '../../options/policy/policy-source-flags.js';
import { pathGlobsOf } from '../../options/serving/served-paths-flags.js';
import { serverKindOf, startFlags } from '../../options/start-topics.js';
import { UsageError } from '../../options/usage-error.js';
import { isIP } from 'node:net';

/** What a configuration of `start` says to those who scrape the server. */
export interface ConfiguredServer {
  readonly port: number;
  /** Every path with metrics that is served, one at least; `/metrics` first. */
  readonly paths: readonly string[];
  readonly credentials: Credentials;
  /** Whether the policy is kcp's, with its roles and its copies for other shards. */
  readonly isKcp: boolean;
}

/** What a scraper shows: `audience` is what its token has to be for, where a flag says so. */
export type Credentials =
  { readonly kind: 'certificate' } | { readonly kind: 'token'; readonly audience: string | undefined };

const flagsByName = new Map(startFlags.map((flag) => [flag.name, flag]));
const accountFlags = [
  '--service-account-key-file',
  '--service-account-jwks-uri',
  '--authentication-kubeconfig',
  '--authentication-token-webhook-config-file',
] as const;
const tokenFlags = ['--token-auth-file', '--oidc-issuer-url', ...accountFlags] as const;

/** @throws UsageError naming the flag. */
export function configuredServerOf(values: FlagValues, { scraper }: ManifestNames): ConfiguredServer {
  const kind = serverKindOf(values);
  const securePort = flag('--secure-port');
  const port = parsePort(securePort.name, valueOf(values, securePort) ?? '');
  if (port === 0) throw new UsageError(`${securePort.name}: 0 is another port at each start: name one`);
  if (!isGiven(values, flag('--tls-cert-file'))) {
    throw new UsageError('--tls-cert-file: needed: a scraper cannot verify the certificate made without it');
  }
  if (kind === 'cache-server' && !namesPolicySource(values)) {
    throw new UsageError('--rbac-dir: needed: without a policy, a cache server grants nothing to a scraper');
  }
  return {
    port,
    paths: pathsOf(values),
    credentials: credentialsOf(values, scraper),
    isKcp: booleanOf(values, bootstrapPolicyFlag) !== 'false',
  };
}

function pathsOf(values: FlagValues): readonly string[] {
  const slis = servesSlis(values) ? ['/metrics/slis'] : [];
  const own = upstreamsOf(values, flag('--upstream')).kind === 'none' ? [] : [ownMetricsPath];
  const taken = new Set([ownMetricsPath, '/metrics/slis']);
  const others = upstreamPathsOf(values, flag('--upstream-path'), taken).keys();
  const { allowPaths } = pathGlobsOf(values);
  const isAllowed = allowPaths === undefined ? () => true : allowedPaths(allowPaths);
  const paths = ['/metrics', ...own, ...slis, ...others].filter((path) => isAllowed(path));
  if (paths.length === 0) throw new UsageError('--allow-paths: leaves no path with metrics to scrape');
  return paths;
}

function credentialsOf(values: FlagValues, { kind }: Scraper): Credentials {
  const takesCertificates = isGiven(values, flag('--client-ca-file'));
  if (kind !== 'ServiceAccount' && takesCertificates) return { kind: 'certificate' };
  const accepting = kind === 'ServiceAccount' ? accountFlags : tokenFlags;
  if (!accepting.some((name) => isGiven(values, flag(name)))) {
    const needed = kind === 'ServiceAccount' ? accepting : ['--client-ca-file', ...accepting];
    throw new UsageError(`--scraper: cannot be authenticated: needs ${needed.join(' or ')}`);
  }
  return { kind: 'token', audience: audiencesOf(values)[0] };
}

/** One of `start`'s own. */
function flag(name: Flag['name']): Flag {
  const found = flagsByName.get(name);
  if (found === undefined) throw new Error(`start has no flag ${name}`);
  return found;
}

const nameFlag: Flag = {
  name: '--name',
  value: 'name',
  default: 'kcp-metrics-filter',
  description: 'name of the objects, of the scrape job and of the label app.kubernetes.io/name of the pods',
};
const namespaceFlag: Flag = {
  name: '--namespace',
  value: 'namespace',
  default: 'monitoring',
  description: 'namespace of the objects, and of the pods',
};
const scraperFlag: Flag = {
  name: '--scraper',
  value: 'subject',
  default: 'serviceaccount:monitoring:prometheus',
  description:
    'who scrapes: serviceaccount:NAMESPACE:NAME, which brings its token, or user:NAME or group:NAME, which bring a client certificate where --client-ca-file is given; of names that stand for everybody it warns',
};
const serverNameFlag: Flag = {
  name: '--server-name',
  value: 'name',
  description:
    'DNS name or IP address that the serving certificate is for; without it, NAME.NAMESPACE.svc, the name of the Service',
};

export const manifestFlags: readonly Flag[] = [nameFlag, namespaceFlag, scraperFlag, serverNameFlag];

export type Scraper =
  | { readonly kind: 'ServiceAccount'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'User' | 'Group'; readonly name: string };

/** What the configuration of a server does not say. */
export interface ManifestNames {
  readonly name: string;
  readonly namespace: string;
  readonly scraper: Scraper;
  readonly serverName: string;
}

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const domainName = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
// Of users and groups RBAC knows no rule but that there is a name.
const subjectName = /^[^\p{Cc}]{1,253}$/u;

/** @throws UsageError naming the flag. */
export function manifestNamesOf(values: FlagValues): ManifestNames {
  const name = labelOf(values, nameFlag);
  const namespace = labelOf(values, namespaceFlag);
  const serverName = valueOf(values, serverNameFlag) ?? `${name}.${namespace}.svc`;
  if (isIP(serverName) === 0 && !domainName.test(serverName)) {
    throw new UsageError(`${serverNameFlag.name}: ${quoted(serverName)} is no DNS name or IP address`);
  }
  return { name, namespace, scraper: scraperOf(valueOf(values, scraperFlag) ?? ''), serverName };
}

function labelOf(values: FlagValues, flag: Flag): string {
  const given = valueOf(values, flag) ?? '';
  if (label.test(given)) return given;
  throw new UsageError(
    `${flag.name}: ${quoted(given)} is not 1 to 63 lower-case letters, digits and dashes, with no dash at an end`,
  );
}

function scraperOf(text: string): Scraper {
  const [kind = '', ...rest] = text.split(':');
  if (kind === 'serviceaccount') {
    const [namespace = '', name = '', ...more] = rest;
    if (label.test(namespace) && domainName.test(name) && more.length === 0) {
      return { kind: 'ServiceAccount', namespace, name };
    }
  }
  const name = rest.join(':');
  if (subjectName.test(name)) {
    if (kind === 'user') return { kind: 'User', name };
    if (kind === 'group') return { kind: 'Group', name };
  }
  throw new UsageError(
    `${scraperFlag.name}: ${quoted(text)} is not serviceaccount:NAMESPACE:NAME, user:NAME or group:NAME`,
  );
}

const noWildcard = 'is only who is called exactly so: RBAC knows no wildcard in names';
const withoutCredentials = 'is everybody without credentials: all who reach the server may scrape';

/** Names that stand for more, or for fewer, than one may have meant. */
const meanings: Readonly<Record<Scraper['kind'], readonly (readonly [name: RegExp, meaning: string])[]>> = {
  ServiceAccount: [],
  User: [
    [/\*/, noWildcard],
    [/^system:anonymous$/, withoutCredentials],
    [
      /^system:(?:authenticated|unauthenticated|masters|nodes|serviceaccounts|cluster)(?::|$)/,
      "is nobody: that is a group's name",
    ],
  ],
  Group: [
    [/\*/, noWildcard],
    [/^system:unauthenticated$/, withoutCredentials],
    [/^system:authenticated(?::|$)/, 'is everybody with any valid credentials: each of them may scrape'],
    [/^system:serviceaccounts$/, 'is every service account there is: each of them may scrape'],
    [/^system:serviceaccounts:/, 'is every service account of its namespace: each of them may scrape'],
    [/^system:cluster:/, 'is everybody of a logical cluster: each of them may scrape'],
    [/^system:nodes$/, 'is every node: each of them may scrape'],
    [/^system:masters$/, 'may do everything already, whatever is bound to it: name who scrapes'],
    [/^system:anonymous$/, "is nobody: that is a user's name"],
  ],
};

/** One line on the flag where its name stands for more than one scraper, or for none; undefined elsewhere. */
export function scraperWarning({ kind, name }: Scraper): string | undefined {
  const meaning = meanings[kind].find(([names]) => names.test(name))?.[1];
  if (meaning === undefined) return undefined;
  return `${scraperFlag.name}: ${kind.toLowerCase()} ${quoted(name)} ${meaning}`;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
