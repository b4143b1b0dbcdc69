import { certificates, audiencesOf, serviceAccounts, tokens } from '../../options/authentication-options.js';
import { delivery } from '../../options/exposition-options.js';
import { openid } from '../../options/openid-options.js';
import { blaming, fault, isGiven, topic, valueOf } from '../../options/option.js';
import type { GivenOptions, Option } from '../../options/option.js';
import { parsed, quoted, text } from '../../options/option-kinds.js';
import { hasPolicy, policy } from '../../options/policy-options.js';
import { tokenReview } from '../../options/reviewer-options.js';
import { listening, servedPaths } from '../../options/serving-options.js';
import { tls } from '../../options/tls-options.js';
import { ownMetricsPath, slisPath, upstreams } from '../../options/upstream-options.js';
import { workspaceMetricsOf } from '../../options/workspace-options.js';
import { isIP } from 'node:net';
import { workspaceTargetsPath } from '../../paths/classify.js';
import { allowedPaths } from '../../request/steps/listed-paths.js';

export type ConfiguredServer = ReturnType<typeof configuredServerOf>;

/** The scraper's credentials; `audience` is the required audience of its token, if a flag sets one. */
export type Credentials =
  { readonly kind: 'certificate' } | { readonly kind: 'token'; readonly audience: string | undefined };

const { clientCaFile } = certificates.options;
const accountOptions: readonly Option[] = [
  serviceAccounts.options.serviceAccountKeyFile,
  serviceAccounts.options.serviceAccountJwksUri,
  tokenReview.options.authenticationKubeconfig,
  tokenReview.options.authenticationTokenWebhookConfigFile,
];
const tokenOptions = [tokens.options.tokenAuthFile, openid.options.oidcIssuerUrl, ...accountOptions];

export function configuredServerOf(values: GivenOptions, { scraper }: ManifestNames) {
  const isPoliced = hasPolicy(values);
  const { securePort } = listening.options;
  const { securePort: port } = listening.read(values);
  if (port === 0) throw fault(securePort, '0 picks another port at each start; set a fixed one');
  const { tlsCertFile } = tls.options;
  if (!isGiven(values, tlsCertFile)) {
    throw fault(tlsCertFile, 'required: without it, scrapers cannot verify the self-signed certificate');
  }
  if (!isPoliced) {
    throw fault(policy.options.rbacDir, 'required: without a policy, a cache server grants scrapers nothing');
  }
  const { allowPaths } = servedPaths.options;
  const { allowPaths: globs } = servedPaths.read(values);
  const isAllowed = globs.length === 0 ? () => true : blaming(allowPaths, () => allowedPaths(globs));
  const servesWorkspaces = workspaceMetricsOf(values) !== undefined;
  const { upstream, upstreamPath } = upstreams.read(values);
  const slis = delivery.read(values).componentSlis ? [slisPath] : [];
  const own = upstream.kind === 'none' ? [] : [ownMetricsPath];
  const paths = ['/metrics', ...own, ...slis, ...upstreamPath.keys()].filter((path) => isAllowed(path));
  if (paths.length === 0) throw fault(allowPaths, 'includes no path with metrics');
  return {
    port,
    /** All served paths with metrics, at least one; `/metrics` first. */
    paths,
    /** Where the targets of single workspaces are, if they are served. */
    discoveryPath: servesWorkspaces && isAllowed(workspaceTargetsPath) ? workspaceTargetsPath : undefined,
    credentials: credentialsOf(values, scraper),
    /** Whether the policy is from kcp, which has its own roles and replicates to other shards. */
    isKcp: valueOf(policy.options.bootstrapPolicy, values) !== false,
  };
}

function credentialsOf(values: GivenOptions, { kind }: Scraper): Credentials {
  if (kind !== 'ServiceAccount' && isGiven(values, clientCaFile)) return { kind: 'certificate' };
  const accepting = kind === 'ServiceAccount' ? accountOptions : tokenOptions;
  if (!accepting.some((option) => isGiven(values, option))) {
    const needed = kind === 'ServiceAccount' ? accepting : [clientCaFile, ...accepting];
    const names = needed.map(({ name }) => name).join(' or ');
    throw fault(manifestTopic.options.scraper, `cannot be authenticated: needs ${names}`);
  }
  return { kind: 'token', audience: audiencesOf(values)[0] };
}

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const domainName = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
// RBAC accepts any non-empty name of a user or group.
const subjectName = /^[^\p{Cc}]{1,253}$/u;

/** Names that the configuration of a server does not contain. */
export const manifestTopic = topic('Options', {
  name: parsed(text('name', 'kcp-metrics-filter'), labelIn).help(
    'name of the objects and the scrape job, and value of the pod label app.kubernetes.io/name',
  ),
  namespace: parsed(text('namespace', 'monitoring'), labelIn).help(
    'namespace of the objects, and of the pods',
  ),
  scraper: parsed(text('subject', 'serviceaccount:monitoring:prometheus'), scraperIn).help(
    `who scrapes: serviceaccount:NAMESPACE:NAME, with its token, or user:NAME or group:NAME, with a client certificate if ${clientCaFile.name} is set, else a token; warns of names that match every client`,
  ),
  serverName: parsed(text('name'), serverNameIn).help(
    'DNS name or IP address in the serving certificate; unset: NAME.NAMESPACE.svc, the name of the Service',
  ),
  runbookUrl: parsed(text('url'), httpUrlIn).help(
    'URL of docs/alerts.md where you publish it, for the runbook_url of the alerts; unset: they have none',
  ),
});

export type Scraper =
  | { readonly kind: 'ServiceAccount'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'User' | 'Group'; readonly name: string };

export type ManifestNames = ReturnType<typeof manifestNamesOf>;

export function manifestNamesOf(values: GivenOptions) {
  const { serverName, ...names } = manifestTopic.read(values);
  return { ...names, serverName: serverName ?? serverNameIn(`${names.name}.${names.namespace}.svc`) };
}

function labelIn(given: string): string {
  if (label.test(given)) return given;
  throw new RangeError(
    `${quoted(given)} is not 1 to 63 lower-case letters, digits and dashes, with no dash at an end`,
  );
}

function httpUrlIn(given: string): string {
  if (/^https?:\/\/[^\s#{]+$/i.test(given) && URL.canParse(given)) return given;
  throw new RangeError(`${quoted(given)} is not an http or https URL without a fragment`);
}

function serverNameIn(given: string): string {
  if (isIP(given) !== 0 || domainName.test(given)) return given;
  throw new RangeError(`${quoted(given)} is not a DNS name or IP address`);
}

export function scraperIn(given: string): Scraper {
  const [kind = '', ...rest] = given.split(':');
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
  throw new RangeError(`${quoted(given)} is not serviceaccount:NAMESPACE:NAME, user:NAME or group:NAME`);
}

const noWildcard = 'matches only exactly this name: RBAC has no wildcards in names';
const withoutCredentials = 'is every client without credentials: anyone who reaches the server may scrape';

/** Names that match more, or fewer, clients than was likely meant. */
const meanings: Readonly<Record<Scraper['kind'], readonly (readonly [name: RegExp, meaning: string])[]>> = {
  ServiceAccount: [],
  User: [
    [/\*/, noWildcard],
    [/^system:anonymous$/, withoutCredentials],
    [
      /^system:(?:authenticated|unauthenticated|masters|nodes|serviceaccounts|cluster)(?::|$)/,
      "matches no client: it is a group's name",
    ],
  ],
  Group: [
    [/\*/, noWildcard],
    [/^system:unauthenticated$/, withoutCredentials],
    [/^system:authenticated(?::|$)/, 'is every client with valid credentials: each of them may scrape'],
    [/^system:serviceaccounts$/, 'is every service account: each of them may scrape'],
    [/^system:serviceaccounts:/, 'is every service account of its namespace: each of them may scrape'],
    [/^system:cluster:/, 'is every client of a logical cluster: each of them may scrape'],
    [/^system:nodes$/, 'is every node: each of them may scrape'],
    [/^system:masters$/, 'may already do everything, with or without a binding: name the scraper'],
    [/^system:anonymous$/, "matches no client: it is a user's name"],
  ],
};

/** A warning if the name matches more than one scraper, or none. */
export function scraperWarning({ kind, name }: Scraper): string | undefined {
  const meaning = meanings[kind].find(([names]) => names.test(name))?.[1];
  if (meaning === undefined) return undefined;
  return `${manifestTopic.options.scraper.name}: ${kind.toLowerCase()} ${quoted(name)} ${meaning}`;
}
