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
import type { ManifestNames, Scraper } from './manifest-flags.js';

/** What a configuration of `start` says to those who scrape the server. */
export interface ConfiguredServer {
  readonly port: number;
  /** Every path with metrics that is served, one at least; `/metrics` first. */
  readonly paths: readonly string[];
  readonly credentials: Credentials;
  /** Whether the policy is kcp's, with its roles and its copies for other shards. */
  readonly isKcp: boolean;
}

/** What a scraper shows: `audience` is what his token has to be for, where a flag says so. */
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
    throw new UsageError(`--scraper: nobody would know him: needs ${needed.join(' or ')}`);
  }
  return { kind: 'token', audience: audiencesOf(values)[0] };
}

/** One of `start`'s own. */
function flag(name: Flag['name']): Flag {
  const found = flagsByName.get(name);
  if (found === undefined) throw new Error(`start has no flag ${name}`);
  return found;
}
