import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parsePublicKeys } from '../../src/authentication/tokens/jwt/verification-keys.js';
import { RemoteKeySet } from '../../src/authentication/tokens/jwt/remote-key-set.js';
import type { Authenticator } from '../../src/authentication/authenticator.js';
import { type KeySet, staticKeySet } from '../../src/authentication/tokens/jwt/key-set.js';
import { serviceAccountAuthenticator } from '../../src/authentication/tokens/service-account.js';
import { kubeApiserver } from './kube-apiserver.js';
import { onControlPlane } from './on-every-control-plane.js';
import { ServiceAccounts, type BoundObject, type ServiceAccount } from './service-accounts.js';
import {
  newSigningKey,
  secondsFromNow,
  signingKeyOf,
  signToken,
  tokenIssuer,
  type Claims,
  type SigningKey,
} from './signed-tokens.js';
import { startTlsFront } from './tls-front.js';
import { answerOf, answerOfServer, reviewingAuthenticator } from './token-answers.js';

const nobody = '00000000-0000-0000-0000-000000000000';
const settles = { timeout: 60_000, interval: 100 };

onControlPlane(kubeApiserver, "service-account tokens beside the API server's own TokenReview", (start) => {
  let accounts: ServiceAccounts;
  let account: ServiceAccount;
  let local: Authenticator;
  let reviewing: Awaited<ReturnType<typeof reviewingAuthenticator>>;
  let serverKey: SigningKey;
  let keySetOfServer: () => Promise<string>;
  let made = 0;
  beforeAll(async () => {
    const controlPlane = await start();
    accounts = new ServiceAccounts(controlPlane);
    account = await accounts.create('monitoring', 'prometheus');
    serverKey = signingKeyOf(controlPlane);
    keySetOfServer = async () => String((await controlPlane.request('GET', '/openid/v1/jwks')).body);
    const file = join(controlPlane.directory, 'service-account.pub');
    local = authenticatorWith(staticKeySet(parsePublicKeys(readFileSync(file, 'utf8'), file)));
    reviewing = await reviewingAuthenticator(controlPlane.adminKubeconfig);
  });
  afterAll(() => {
    reviewing.close();
  });

  const authenticatorWith = (keys: KeySet): Authenticator =>
    serviceAccountAuthenticator({ keys, issuers: [tokenIssuer], audiences: [tokenIssuer] });
  const newName = (): string => {
    made += 1;
    return `made-${made}`;
  };
  const signed = (claims: Claims): Promise<string> => signToken(serverKey, account, claims);
  const withKubernetesClaims = (claims: Claims): Promise<string> =>
    signed({
      'kubernetes.io': {
        namespace: account.namespace,
        serviceaccount: { name: account.name, uid: account.uid },
        ...claims,
      },
    });
  const boundTo = (object: BoundObject): Promise<string> =>
    accounts.requestToken(account, { boundTo: object });
  const boundToDeleted = async (object: Promise<BoundObject>): Promise<string> => {
    const token = await boundTo(await object);
    await accounts.deleteBound(account, await object);
    return token;
  };
  const podOnNode = async (): Promise<BoundObject> => {
    const { name: node } = await accounts.createNode(newName());
    return accounts.createPod(account, newName(), node);
  };

  it.each<[string, () => Promise<string>]>([
    ['is as it was asked for', () => accounts.requestToken(account)],
    [
      'has two audiences',
      () => accounts.requestToken(account, { audiences: ['https://metrics.example', tokenIssuer] }),
    ],
    ['is bound to a pod', async () => boundTo(await accounts.createPod(account, newName()))],
    ['is bound to a pod on a node', async () => boundTo(await podOnNode())],
    ['is bound to a node', async () => boundTo(await accounts.createNode(newName()))],
    ['is bound to a secret', async () => boundTo(await accounts.createSecret(account, newName()))],
    ['has one audience, as a string', () => signed({ aud: tokenIssuer })],
    ['has no ID', () => signed({ jti: undefined })],
    ['expired half a minute ago', () => signed({ exp: secondsFromNow(-30) })],
    ['begins in half a minute', () => signed({ nbf: secondsFromNow(30), iat: undefined })],
  ])('all find the same identity where a token %s', async (_which, tokenOf) => {
    const token = await tokenOf();
    const answer = await answerOfServer(accounts, token);
    expect(answer).toMatchObject({ name: 'system:serviceaccount:monitoring:prometheus', uid: account.uid });
    expect(await answerOf(local, token)).toEqual(answer);
    expect(await answerOf(reviewing, token)).toEqual(answer);
  });

  it.each<[string, () => Promise<string>]>([
    ['is for somebody else', () => accounts.requestToken(account, { audiences: ['https://other.example'] })],
    ['has expired', () => signed({ exp: secondsFromNow(-120) })],
    ['is not valid yet', () => signed({ nbf: secondsFromNow(120) })],
    ['is of another issuer', () => signed({ iss: 'https://other.example' })],
    ['names no account', () => signed({ 'kubernetes.io': undefined })],
    ['was signed by another key', () => signToken(newSigningKey(), account)],
    [
      "was signed by another key and says it was the server's",
      () => signToken({ ...newSigningKey(), keyId: serverKey.keyId }, account),
    ],
    ['has lost its signature', async () => withoutSignature(await accounts.requestToken(account))],
  ])('all refuse a token that %s', async (_which, tokenOf) => {
    const token = await tokenOf();
    expect(await answerOfServer(accounts, token)).toBe('refused');
    expect(await answerOf(local, token)).toBe('refused');
    expect(await answerOf(reviewing, token)).toBe('refused');
  });

  // What --authentication-kubeconfig is for: a token itself does not say it.
  it.each(
    Object.entries<() => Promise<string>>({
      'account was deleted': async () => {
        const deleted = await accounts.create('monitoring', newName());
        const token = await accounts.requestToken(deleted);
        await accounts.delete(deleted);
        return token;
      },
      'account was deleted and made anew': async () => {
        const { namespace, name, ...deleted } = await accounts.create('monitoring', newName());
        const token = await accounts.requestToken({ namespace, name, ...deleted });
        await accounts.delete({ namespace, name, ...deleted });
        await accounts.create(namespace, name);
        return token;
      },
      'account has another uid': () =>
        withKubernetesClaims({ serviceaccount: { name: account.name, uid: nobody } }),
      'pod was deleted': () => boundToDeleted(accounts.createPod(account, newName())),
      'pod on a node was deleted': () => boundToDeleted(podOnNode()),
      'node was deleted': () => boundToDeleted(accounts.createNode(newName())),
      'secret was deleted': () => boundToDeleted(accounts.createSecret(account, newName())),
      'pod never was': () => withKubernetesClaims({ pod: { name: 'nobody', uid: nobody } }),
    }),
  )('only the server can know that the %s', async (_which, tokenOf) => {
    const token = await tokenOf();
    // It remembers its own answer for 10 s, and hears of a deletion a moment later.
    await expect.poll(() => answerOfServer(accounts, token), settles).toBe('refused');
    expect(await answerOf(reviewing, token)).toBe('refused');
    expect(await answerOf(local, token)).toMatchObject({
      groups: ['system:authenticated', 'system:serviceaccounts', 'system:serviceaccounts:monitoring'],
    });
  });
  it.each<[string, Claims]>([
    ['without an end', { exp: undefined }],
    ['without audiences', { aud: undefined }],
    ['whose sub is another account', { sub: 'system:serviceaccount:monitoring:another' }],
  ])('only the server accepts a token %s', async (_which, claims) => {
    const token = await signed(claims);
    expect(await answerOfServer(accounts, token)).toMatchObject({ uid: account.uid });
    expect(await answerOf(local, token)).toBe('refused');
  });

  it("finds the same identity with the server's published keys", async () => {
    // Anonymous clients have to be let in, which this server does for nobody: its keys are published elsewhere.
    const front = await startTlsFront('issuer', async (_request, response) => {
      response.setHeader('Content-Type', 'application/jwk-set+json').end(await keySetOfServer());
    });
    const refreshes: string[] = [];
    const keys = new RemoteKeySet({
      owner: tokenIssuer,
      location: `${front.origin}/openid/v1/jwks`,
      ca: () => front.certificateAuthority,
      onRefresh: (result, reason = result) => refreshes.push(reason),
    });
    try {
      await expect.poll(() => refreshes, settles).toEqual(['success']);
      const token = await accounts.requestToken(account);
      expect(await answerOf(authenticatorWith(keys), token)).toEqual(await answerOfServer(accounts, token));
      const foreign = await signToken({ ...newSigningKey(), keyId: serverKey.keyId }, account);
      expect(await answerOf(authenticatorWith(keys), foreign)).toBe('refused');
    } finally {
      keys.close();
      await front.close();
    }
  });
});

function withoutSignature(token: string): string {
  return token.slice(0, token.lastIndexOf('.') + 1);
}
