import { isIP } from 'node:net';
import { valueOf, type Flag, type FlagValues } from '../../options/flags.js';
import { UsageError } from '../../options/usage-error.js';

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
