import { flagName } from '../options/option.js';
import type { StartOptions } from '../options/start-topics.js';

/** Programs whose flags people bring along. */
type Program = 'kube-rbac-proxy' | 'kube-apiserver';

/** Names without dashes, the options that do the same here, and what else there is to say. */
type Row = readonly [names: string, keys: readonly (keyof StartOptions)[], note?: string];

const http1 = 'HTTP/1.1 is served';
const json = 'the log is JSON on stderr';
const followed = 'the policy is followed and reviews are cached';

/** Flags that have another name here, or none. Those of the same name and meaning are left out. */
const rows: Readonly<Record<Program, readonly Row[]>> = {
  'kube-rbac-proxy': [
    ['secure-listen-address', ['bindAddress', 'securePort']],
    ['insecure-listen-address', [], 'everything is served over TLS'],
    ['proxy-endpoints-port', [], 'health checks are answered on the same port'],
    ['config-file', ['rbacDir'], 'the command migrate writes the manifests'],
    ['kubeconfig', ['authenticationKubeconfig', 'rootKubeconfig', 'authorizationKubeconfig']],
    ['kube-api-qps kube-api-burst', [], followed],
    ['auth-token-audiences', ['apiAudiences']],
    ['oidc-issuer', ['oidcIssuerUrl']],
    ['oidc-clientID', ['oidcClientId']],
    ['oidc-sign-alg', ['oidcSigningAlgs']],
    ['tls-reload-interval', [], 'certificates are looked at every second'],
    ['upstream-force-h2c http2-disable http2-max-concurrent-streams http2-max-size', [], http1],
    ['v vmodule log-flush-frequency', ['logLevel']],
    [
      'logtostderr alsologtostderr stderrthreshold add-dir-header skip-headers skip-log-headers one-output log-dir log-file log-file-max-size log-backtrace-at',
      [],
      json,
    ],
  ],
  'kube-apiserver': [
    ['cert-dir', ['tlsCertFile', 'tlsPrivateKeyFile'], 'no certificate is generated'],
    ['insecure-bind-address insecure-port', [], 'everything is served over TLS'],
    ['permit-port-sharing permit-address-sharing', ['workers']],
    ['http2-max-streams-per-connection goaway-chance', [], http1],
    ['max-requests-inflight max-mutating-requests-inflight', ['maxScrapesInFlight']],
    ['request-timeout', ['scrapeDeadline']],
    ['shutdown-watch-termination-grace-period', ['shutdownTimeout']],
    ['authorization-mode', ['authorizationOrder']],
    ['authorization-policy-file', ['rbacDir'], 'with RBAC in place of ABAC'],
    ['authorization-config', ['authorizationOrder', 'authorizationWebhookConfigFile']],
    ['authentication-config', ['oidcIssuerUrl', 'anonymousAuth']],
    ['basic-auth-file', ['tokenAuthFile'], 'with tokens in place of passwords'],
    ['service-account-api-audiences', ['apiAudiences']],
    ['service-account-lookup', ['authenticationKubeconfig']],
    ['service-account-signing-key-file', ['serviceAccountKeyFile'], 'no token is signed here'],
    [
      'service-account-max-token-expiration service-account-extend-token-expiration',
      [],
      'no token is signed here',
    ],
    ['enable-bootstrap-token-auth', []],
    ['audit-policy-file', [], 'every request is recorded at level Metadata'],
    ['audit-webhook-config-file audit-webhook-mode', ['auditLogPath']],
    ['audit-log-compress audit-log-version audit-log-truncate-enabled', []],
    ['disabled-metrics', ['dropMetrics']],
    ['allow-metric-labels allow-metric-labels-manifest', ['labelMappingFile']],
    ['profiling contention-profiling', []],
    ['logging-format', [], json],
  ],
};

/** By name, with its dashes. */
export const foreignFlags = new Map(
  Object.entries(rows).flatMap(([program, ofProgram]) =>
    ofProgram.flatMap(([names, keys, note]) => {
      const flags = names.replace(/\S+/g, '--$&').split(' ');
      return flags.map((flag) => [flag, { program, keys, note }] as const);
    }),
  ),
);

/** What another program's flag is here, in one sentence; undefined for a flag that is not known. */
export function foreignFlagAnswer(name: string): string | undefined {
  const foreign = foreignFlags.get(name);
  if (foreign === undefined) return undefined;
  const { program, keys, note } = foreign;
  const here = keys.length === 0 ? 'has no counterpart here' : `is ${keys.map(flagName).join(' and ')} here`;
  return `${name} of ${program} ${here}${note === undefined ? '' : `; ${note}`}`;
}
