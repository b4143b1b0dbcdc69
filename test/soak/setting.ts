import { join } from 'node:path';
import { createAuthority, type IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { tokenIssuer } from '../e2e/signed-tokens.js';
import { startOpenIdProvider, type OpenIdProvider } from '../support/openid-provider.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';
import {
  accountKey,
  clientAuthority,
  publicPem,
  randomToken,
  type AccountKey,
  type ClientAuthority,
} from './credentials.js';
import { Expected } from './expected.js';
import { publish } from './files.js';
import { policyOf } from './policy.js';
import { idTokens, servingPairs, type IdTokens, type ServingPairs } from './renewals.js';
import { RotatingTrust } from './rotating-trust.js';
import type { Secrets } from '../support/secrets.js';
import { startApplication, type Application } from './upstreams.js';

export const seriesOf = { web: 2_500, queue: 500 } as const;

/** All that a filter needs to be started with everything on, as files and servers, and what changes of it. */
export interface Setting extends ServingPairs, IdTokens {
  readonly directory: TemporaryDirectory;
  readonly flags: readonly string[];
  readonly servingAuthority: string;
  readonly clients: RotatingTrust<ClientAuthority>;
  readonly tokens: RotatingTrust<string>;
  /** In the token file all the time. */
  readonly steadyToken: string;
  readonly accounts: RotatingTrust<AccountKey>;
  readonly frontProxy: IssuedCertificate;
  readonly provider: OpenIdProvider;
  readonly web: Application;
  readonly queue: Application;
  /** Whether `bound` may scrape, by the directory. */
  readonly bound: Expected<number>;
  readonly bind: (isBound: boolean) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export async function startSetting(secrets: Secrets): Promise<Setting> {
  const directory = temporaryDirectory();
  const file = (name: string, text: string): string => publish(directory, name, text);
  const serving = await createAuthority({ commonName: 'serving-ca' });
  const servers = await servingPairs(serving, directory, secrets);
  const frontProxies = await createAuthority({ commonName: 'front-proxy-ca' });
  const frontProxy = await frontProxies.issue({ commonName: 'front-proxy', usage: 'clientAuth' });
  secrets.addKey(frontProxy.privateKeyPem);
  const own = await serving.issue({ commonName: 'p', usage: 'serverAuth', ipAddresses: ['127.0.0.1'] });
  const provider = await startOpenIdProvider(own, serving.certificatePem);
  const signed = await idTokens(provider, secrets);
  const steadyToken = secrets.add(randomToken());
  const clients = new RotatingTrust({
    first: await clientAuthority(secrets),
    make: () => clientAuthority(secrets),
    publish: (trusted) => {
      file('client-ca.crt', trusted.map(({ authorityPem }) => authorityPem).join(''));
    },
  });
  const tokens = new RotatingTrust({
    first: secrets.add(randomToken()),
    make: () => Promise.resolve(secrets.add(randomToken())),
    publish: (trusted) => {
      file('tokens.csv', [steadyToken, ...trusted].map((token) => `${token},by-token,1\n`).join(''));
    },
  });
  const accounts = new RotatingTrust({
    first: await accountKey(secrets),
    make: () => accountKey(secrets),
    publish: (trusted) => {
      file('service-account.pub', trusted.map(({ key }) => publicPem(key)).join(''));
    },
  });
  const [web, queue] = [
    await startApplication('web', seriesOf.web),
    await startApplication('queue', seriesOf.queue),
  ];
  const policy = temporaryDirectory();
  const steady = [
    'prometheus',
    'by-token',
    'proxied',
    'oidc:steady',
    'system:serviceaccount:monitoring:soak',
  ];
  policy.write('steady.json', policyOf('steady', '/metrics', steady));
  policy.write('observers.json', policyOf('observers', '/metrics/*', ['observer']));
  const writeBound = (isBound: boolean): void => {
    publish(policy, 'bound.json', policyOf('bound', '/metrics', isBound ? ['bound'] : []));
  };
  writeBound(true);
  const bound = new Expected(200);
  return {
    directory,
    servingAuthority: serving.certificatePem,
    ...servers,
    clients,
    tokens,
    steadyToken,
    accounts,
    frontProxy,
    provider,
    ...signed,
    web,
    queue,
    bound,
    bind: (isBound) =>
      bound.turnsTo(isBound ? 200 : 403, () => {
        writeBound(isBound);
      }),
    flags: [
      '--mode=shard',
      '--anonymous-auth=false',
      `--tls-cert-file=${join(directory.path, 'tls.crt')}`,
      `--tls-private-key-file=${join(directory.path, 'tls.key')}`,
      `--client-ca-file=${join(directory.path, 'client-ca.crt')}`,
      `--requestheader-client-ca-file=${file('front-proxy-ca.crt', frontProxies.certificatePem)}`,
      '--requestheader-allowed-names=front-proxy',
      `--token-auth-file=${join(directory.path, 'tokens.csv')}`,
      `--service-account-key-file=${join(directory.path, 'service-account.pub')}`,
      `--service-account-issuer=${tokenIssuer}`,
      `--oidc-issuer-url=${provider.issuerUrl}`,
      `--oidc-client-id=${provider.clientId}`,
      `--oidc-ca-file=${file('provider-ca.crt', serving.certificatePem)}`,
      '--oidc-username-prefix=oidc:',
      `--rbac-dir=${policy.path}`,
      `--upstream=web=${web.url},queue=${queue.url}`,
      '--component-slis',
      // Four kinds of renderings are asked for at the same time, and slow readers keep theirs for seconds.
      '--max-scrapes-in-flight=12',
      '--log-level=debug',
    ],
    async stop() {
      await Promise.all([provider.close(), web.stop(), queue.stop()]);
      policy.remove();
      directory.remove();
    },
  };
}
