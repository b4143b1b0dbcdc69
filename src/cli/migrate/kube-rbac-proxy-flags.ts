import { didYouMean } from '../../options/did-you-mean.js';
import { flagName, splitList, type GivenValue } from '../../options/option.js';
import { startOptions, type StartOptions } from '../../options/start-topics.js';
import { tls } from '../../options/tls-options.js';
import { UsageError } from '../../options/usage-error.js';
import { foreignFlagAnswer, foreignFlags } from '../foreign-flags.js';

type Key = keyof StartOptions;

const same: readonly Key[] = [
  'allowPaths',
  'ignorePaths',
  'authHeaderFieldsEnabled',
  'authHeaderUserFieldName',
  'authHeaderGroupsFieldName',
  'authHeaderGroupsFieldSeparator',
  'clientCaFile',
  'oidcCaFile',
  'oidcGroupsClaim',
  'oidcGroupsPrefix',
  'oidcUsernameClaim',
  'oidcUsernamePrefix',
  'tlsCertFile',
  'tlsPrivateKeyFile',
  'tlsMinVersion',
  'tlsCipherSuites',
  'upstream',
  'upstreamCaFile',
  'upstreamClientCertFile',
  'upstreamClientKeyFile',
];
/** Those with exactly one other name here. */
const renamed = new Map(
  [...foreignFlags].flatMap(([name, { program, keys }]) =>
    program === 'kube-rbac-proxy' && keys.length === 1 ? [[name, keys[0]] as const] : [],
  ),
);
/** Flags that are not simply a field of the configuration file here. */
const special = {
  secure: '--secure-listen-address',
  insecure: '--insecure-listen-address',
  kubeconfig: '--kubeconfig',
  configFile: '--config-file',
} as const;
const specialNames: readonly string[] = Object.values(special);
const switches =
  /^--(?:auth-header-fields-enabled|http2-disable|upstream-force-h2c|logtostderr|alsologtostderr|add-dir-header|one-output|skip-headers|skip-log-headers)$/;

export type KubeRbacProxyFlags = ReturnType<typeof readKubeRbacProxyFlags>;

/** Reads arguments as kube-rbac-proxy does. @throws UsageError */
export function readKubeRbacProxyFlags(args: readonly string[]) {
  const config = new Map<Key, GivenValue>();
  const own = new Map<string, string>();
  const notes: string[] = [];
  for (const { name, value } of flagsIn(args)) {
    const key = same.find((candidate) => flagName(candidate) === name) ?? renamed.get(name);
    if (specialNames.includes(name)) own.set(name, value);
    else if (key === 'logLevel' || key === undefined) notes.push(foreignFlagAnswer(name) ?? unknown(name));
    // kube-rbac-proxy takes an empty value as none.
    else if (value !== '') config.set(key, valueOf(key, value, config.get(key)));
  }
  narrowTls(config, notes);
  const [secure, insecure] = [own.get(special.secure), own.get(special.insecure)];
  if (insecure) notes.push(foreignFlagAnswer(special.insecure) ?? '');
  return {
    /** Fields of our configuration file, with the values of the flags that mean the same. */
    config,
    listenAddress: secure || insecure,
    isPlainHttp: !secure && Boolean(insecure),
    /** Of the API server. Default: that of the pod. */
    kubeconfig: own.get(special.kubeconfig) || undefined,
    configFile: own.get(special.configFile) || undefined,
    /** What has no counterpart. */
    notes,
  };
}

function* flagsIn(args: readonly string[]): Generator<{ readonly name: string; readonly value: string }> {
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [, name = '', equals, value = ''] = /^(--[\w-]+)(=?)(.*)$/s.exec(arg) ?? [];
    if (name === '') throw new UsageError('migrate: an argument is neither the one file nor a flag');
    if (equals === '=') yield { name, value };
    else if (switches.test(name)) yield { name, value: 'true' };
    else if (rest.length === 0) throw new UsageError(`migrate: ${name}: has no value`);
    else yield { name, value: rest.shift() ?? '' };
  }
}

function unknown(name: string): never {
  const names = [...same.map(flagName), ...foreignFlags.keys()];
  throw new UsageError(`migrate: ${name} is no flag of kube-rbac-proxy 0.21${didYouMean(name, names)}`);
}

function valueOf(key: Key, value: string, earlier: GivenValue | undefined): GivenValue {
  const option = startOptions.find((candidate) => candidate.key === key);
  if (option?.kind === 'boolean') {
    if (/^(?:1|t|T|true|TRUE|True)$/.test(value)) return true;
    if (/^(?:0|f|F|false|FALSE|False)$/.test(value)) return false;
    throw new UsageError(`migrate: ${option.name}: not true or false`);
  }
  if (option?.isList !== true || key === 'upstream') return value;
  return [...(Array.isArray(earlier) ? (earlier as readonly string[]) : []), ...splitList(option, value)];
}

/** Leaves out TLS versions and cipher suites that are not served here. */
function narrowTls(config: Map<Key, GivenValue>, notes: string[]): void {
  const { tlsMinVersion, tlsCipherSuites } = tls.options;
  const version = config.get('tlsMinVersion');
  if (version !== undefined && !tlsMinVersion.choices?.includes(String(version))) {
    config.delete('tlsMinVersion');
    notes.push(`${tlsMinVersion.name}: TLS 1.2 is the oldest version here`);
  }
  const suites = (config.get('tlsCipherSuites') ?? []) as readonly string[];
  const served = suites.filter((suite) => tlsCipherSuites.choices?.includes(suite));
  const others = suites.filter((suite) => !served.includes(suite));
  if (others.length === 0) return;
  notes.push(`${tlsCipherSuites.name}: not served here: ${others.join(', ')}`);
  if (served.length > 0) config.set('tlsCipherSuites', served);
  else config.delete('tlsCipherSuites');
}
