import { isIP } from 'node:net';
import { checkedOptions, apiVersion, kind } from '../../options/configuration-file.js';
import { canBePassedOn } from '../../options/gateway-options.js';
import { openid } from '../../options/openid-options.js';
import { flagName, topic, type GivenValue } from '../../options/option.js';
import { choice, each, list } from '../../options/option-kinds.js';
import { startOptions, startTopics, type StartOptions } from '../../options/start-topics.js';
import { callerHeaders, upstreamTls } from '../../options/upstream-request-options.js';
import { UsageError } from '../../options/usage-error.js';
import { chosenArgument, type Command } from '../command.js';
import { scraperIn, scraperWarning, type Scraper } from '../manifests/configured-server.js';
import { bindingOf, clusterRoleOf, subjectOf } from '../manifests/monitors.js';
import { renderManifests, type Manifest, type ManifestFile } from '../manifests/printed-manifest.js';
import {
  noFile,
  readKubeRbacProxyFile,
  type KubeRbacProxyFile,
  type StaticRule,
} from './kube-rbac-proxy-file.js';
import { readKubeRbacProxyFlags, type KubeRbacProxyFlags } from './kube-rbac-proxy-flags.js';

const programs = ['kube-rbac-proxy'] as const;
const parts = ['all', 'config', 'rbac'] as const;

const migration = topic('Options', {
  print: choice('part', parts, 'all').help(
    'what to print: all, config (the configuration file) or rbac (for the directory rbac beside it)',
  ),
  scraper: each(list('subject'), scraperIn).help(
    'who may scrape where the original authorizes resource attributes: serviceaccount:NAMESPACE:NAME, user:NAME or group:NAME',
  ),
});

export const migrateCommand: Command = {
  args: [{ name: 'program', description: programs.join(', '), choices: programs }],
  rest: {
    name: 'args',
    description: 'its configuration file, if it has one, and its flags, as they are in its container',
  },
  topics: [migration],
  run: async ({ args: [program = ''], rest, values, terminal }) => {
    chosenArgument('migrate', program, programs);
    const { print, scraper: scrapers } = migration.read(values);
    // An argument behind a flag without `=` may be its value.
    const files = rest.filter((arg, at) => !arg.startsWith('-') && !/^--[^=]*$/.test(rest[at - 1] ?? ''));
    const [file] = files;
    const flags = readKubeRbacProxyFlags(rest.filter((arg) => files.length !== 1 || arg !== file));
    const named = file ?? flags.configFile;
    const read = named === undefined ? noFile : await readKubeRbacProxyFile(named);
    const { config, rbac, notes } = migrated(flags, read, scrapers);
    const printed = [...(print === 'rbac' ? [] : [config]), ...(print === 'config' ? [] : rbac)];
    terminal.print(printed.map(renderManifests).join('\n---\n'));
    const warnings = scrapers.flatMap((scraper) => scraperWarning(scraper) ?? []);
    for (const note of [...notes, ...warnings]) terminal.printError(note);
    return 0;
  },
};

type Config = Map<keyof StartOptions, GivenValue>;

/** The same server here, and never a less strict one: what cannot be expressed here grants nothing. */
function migrated(flags: KubeRbacProxyFlags, file: KubeRbacProxyFile, scrapers: readonly Scraper[]) {
  const config: Config = new Map(flags.config);
  const notes = [...flags.notes];
  setAddress(config, flags, notes);
  const upstream = setUpstream(config);
  // The paths besides metrics that it passes on, if it names any.
  const allowed = (config.get('allowPaths') ?? []) as readonly string[];
  const others = new Set(upstream && allowed.filter(canBePassedOn));
  const ofRules: string[] = [];
  const rbac = [...grantsOf(file, scrapers, ofRules, upstream && others)];
  if (rbac.length > 0) config.set('rbacDir', 'rbac');
  setGateway(config, upstream, others, notes);
  const kubeconfig = flags.kubeconfig ?? 'in-cluster';
  setAuthentication(config, kubeconfig, notes);
  notes.push(...ofRules);
  const asksServer = file.resourceAttributes === undefined;
  if (asksServer) config.set('authorizationKubeconfig', kubeconfig);
  config.set('authorizationOrder', [
    'AlwaysAllowPaths',
    ...(rbac.length > 0 ? ['RBAC'] : []),
    ...(asksServer ? ['Webhook'] : []),
  ]);
  // kube-rbac-proxy knows none of kcp's own roles.
  config.set('bootstrapPolicy', false);
  const fields = Object.fromEntries(
    startOptions.flatMap(({ key }) => {
      const value = config.get(key as keyof StartOptions);
      return value === undefined ? [] : [[key, value]];
    }),
  );
  const given = checkedOptions(fields, startTopics);
  for (const options of startTopics) options.read(given);
  const reviews = [
    ...(config.has('authenticationKubeconfig') ? ['tokenreviews'] : []),
    ...(asksServer ? ['subjectaccessreviews'] : []),
  ];
  const permissions = `Must be allowed to create ${reviews.join(' and ')}, as kube-rbac-proxy is.`;
  const comment = reviews.length === 0 ? [] : [permissions];
  const none = { comment: ['The API server decides: no manifests are needed.'], documents: [] };
  return {
    config: { comment, documents: [{ apiVersion, kind, ...fields }] },
    rbac: rbac.length > 0 ? rbac : [none],
    notes,
  };
}

function setAddress(config: Config, { listenAddress, isPlainHttp }: KubeRbacProxyFlags, notes: string[]) {
  if (listenAddress === undefined) return;
  const [, bracketed, bare = '', port = ''] =
    /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(listenAddress) ?? [];
  if (port === '') throw new UsageError('migrate: --secure-listen-address: not HOST:PORT with a number');
  const host = bracketed ?? bare;
  config.set('securePort', Number(port));
  if (isIP(host) !== 0) config.set('bindAddress', host);
  else if (host !== '') {
    config.set('bindAddress', '127.0.0.1');
    notes.push(
      `${flagName('bindAddress')}: takes an IP address: replace 127.0.0.1 if ${JSON.stringify(host)} is another`,
    );
  }
  if (isPlainHttp)
    notes.push(`${flagName('securePort')}: TLS is served on port ${port}: scrapers need scheme https`);
}

/** Returns its URL without a path, and the path without a slash at its end; undefined where none is given. */
function setUpstream(config: Config) {
  const given = config.get('upstream');
  if (given !== undefined && !URL.canParse(String(given))) {
    throw new UsageError(`migrate: ${flagName('upstream')}: not a URL`);
  }
  const url = given === undefined ? undefined : new URL(String(given));
  // kube-rbac-proxy passes over what has no effect.
  if (url?.protocol !== 'https:') drop(config, Object.keys(upstreamTls.options));
  if (config.get('authHeaderFieldsEnabled') !== true) {
    drop(
      config,
      Object.keys(callerHeaders.options).filter((key) => key !== 'authHeaderFieldsEnabled'),
    );
  }
  if (url === undefined) return undefined;
  const base = url.pathname.replace(/\/+$/, '');
  url.pathname = `${base}/metrics`;
  config.set('upstream', url.href);
  return { origin: url.origin, base };
}

function setGateway(
  config: Config,
  upstream: ReturnType<typeof setUpstream>,
  others: ReadonlySet<string>,
  notes: string[],
) {
  const [name, gateway] = [flagName('upstream'), flagName('gatewayPath')];
  if (upstream === undefined) {
    notes.push(`${name}: not given: the configuration serves the metrics of this process only`);
    return;
  }
  const passed = ['/metrics', ...others];
  notes.push(
    `${name}: only ${passed.join(', ')} ${passed.length === 1 ? 'is' : 'are'} passed on; paths below /metrics need ${flagName('upstreamPath')}, others ${gateway}`,
  );
  if (others.size === 0) return;
  const { origin, base } = upstream;
  const paths = [...others].map((path) => `${path}=${origin}${base === '' ? '' : `${base}${path}`}`);
  config.set('gatewayPath', paths);
  notes.push(
    `${gateway}: verbs are the methods themselves: what is granted create and update in the API server's RBAC needs post and put`,
  );
}

function drop(config: Config, keys: readonly string[]): void {
  for (const key of keys) config.delete(key as keyof StartOptions);
}

/** With an OpenID issuer, kube-rbac-proxy knows no other credentials. */
function setAuthentication(config: Config, kubeconfig: string, notes: string[]): void {
  config.set('anonymousAuth', false);
  if (!config.has('oidcIssuerUrl')) {
    drop(config, Object.keys(openid.options));
    config.set('authenticationKubeconfig', kubeconfig);
    return;
  }
  const defaults = [
    ['oidcUsernameClaim', 'email'],
    ['oidcGroupsClaim', 'groups'],
    // Without it, the issuer would be the prefix.
    ['oidcUsernamePrefix', '-'],
  ] as const;
  for (const [key, preset] of defaults) if (!config.has(key)) config.set(key, preset);
  for (const key of ['clientCaFile', 'apiAudiences'] as const) {
    if (config.delete(key))
      notes.push(`${flagName(key)}: left out: kube-rbac-proxy does not use it with an OpenID issuer`);
  }
}

function* grantsOf(
  { resourceAttributes, rewrites, staticRules }: KubeRbacProxyFile,
  scrapers: readonly Scraper[],
  notes: string[],
  others: Set<string> | undefined,
): Generator<ManifestFile> {
  if (resourceAttributes !== undefined) {
    const asked = Object.entries(resourceAttributes)
      .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
      .join(', ');
    notes.push(
      `authorization.resourceAttributes: kube-rbac-proxy asks for ${asked}; here paths are granted, so /metrics is granted to ${scrapers.length === 0 ? 'no one: name who may with --scraper' : 'those of --scraper alone'}`,
    );
    if (rewrites.length > 0) {
      notes.push(
        `authorization.rewrites: not there: who may scrape sees every value of ${rewrites.join(' and ')}, which the upstream is not told`,
      );
    }
    const comment = 'Grants what resource attributes did. Without subjects it grants nothing.';
    yield grant('scrapers', ['get'], '/metrics', scrapers.map(subjectOf), comment);
  }
  for (const [at, rule] of staticRules.entries()) {
    const name = `authorization.static[${at}]`;
    const found = staticGrant(rule, resourceAttributes, rewrites, others);
    if (typeof found === 'string') {
      notes.push(`${name}: left out: ${found}`);
      continue;
    }
    yield grant(`static-${at}`, found.verbs, found.path, subjectsOf(rule), name);
    if (rule.user === undefined && rule.groups.length === 0) {
      notes.push(`${name}: names no user: everyone who is authenticated may scrape`);
    }
  }
}

/** Methods, as kube-rbac-proxy's rules name them and as they are called here: it calls all but these five `*`. */
const methods = new Map([
  ['get', ['get']],
  ['create', ['post']],
  ['update', ['put']],
  ['patch', ['patch']],
  ['delete', ['delete']],
  ['*', ['head', 'options']],
]);
/** The same where GET and HEAD alone are served. */
const readingMethods = new Map([
  ['get', ['get']],
  ['*', ['head']],
]);

/** What a rule allows here, or why it allows nothing. */
function staticGrant(
  { verb, path, isResource, attributes }: StaticRule,
  asked: Readonly<Record<string, string>> | undefined,
  rewrites: readonly string[],
  others: Set<string> | undefined,
) {
  if (isResource !== (asked !== undefined)) {
    return `it never matches, since requests are authorized by ${asked === undefined ? 'path' : 'resource attributes'}`;
  }
  const served = path ?? '/metrics';
  const isOther = others !== undefined && !served.endsWith('*') && canBePassedOn(served);
  if (!isOther && !/^\/metrics(?:\/[^*]*)?$/.test(served)) {
    return `${JSON.stringify(served)} is not a path of metrics`;
  }
  const other = Object.entries(attributes).find(([name, value]) => {
    const sent = asked?.[name] ?? '';
    return sent !== value || (rewrites.length > 0 && sent.includes('{{'));
  });
  if (other !== undefined) return `not every request has ${other[0]} ${JSON.stringify(other[1])}`;
  if (isOther) others.add(served);
  const all = isOther ? ['*'] : ['get', 'head'];
  const verbs = verb === undefined ? all : (isOther ? methods : readingMethods).get(verb);
  const fault = isOther ? 'no request has verb' : 'only GET and HEAD are served, not';
  return verbs === undefined ? `${fault} ${JSON.stringify(verb)}` : { verbs, path: served };
}

function subjectsOf({ user, groups }: StaticRule): readonly Manifest[] {
  if (user === undefined) {
    const names = groups.length === 0 ? ['system:authenticated'] : groups;
    return names.map((name) => subjectOf({ kind: 'Group', name }));
  }
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user) ?? [];
  return namespace === undefined || name === undefined
    ? [subjectOf({ kind: 'User', name: user })]
    : [subjectOf({ kind: 'ServiceAccount', namespace, name })];
}

function grant(
  suffix: string,
  verbs: readonly string[],
  path: string,
  subjects: readonly Manifest[],
  comment: string,
): ManifestFile {
  const name = `kube-rbac-proxy:${suffix}`;
  const documents = [clusterRoleOf({ name }, [path], verbs), bindingOf({ name }, name, subjects)];
  return { comment: [comment], documents };
}
