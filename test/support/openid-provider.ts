import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Provider, type ClientMetadata } from 'oidc-provider';
import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { memoryAdapter } from './openid-provider-adapter.js';
import { CodeFlow } from './openid-provider-login.js';

/** An OpenID provider over TLS on a free port of 127.0.0.1, and users who have signed in to it. */
export interface OpenIdProvider {
  readonly issuerUrl: string;
  readonly clientId: string;
  /** The paths that were asked for, in their order. */
  readonly requests: readonly string[];
  /** A token of the user, by the authorization code flow; what it claims besides `sub` stands in the token. */
  idToken(user: string, claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** A token with exactly these claims, signed with the provider's key, under another ID if one is given. */
  sign(claims: Readonly<Record<string, unknown>>, keyId?: string): Promise<string>;
  /** Signs with a new key from now on. The one before stays among its keys unless it is withdrawn. */
  rotateKeys(options?: { readonly withdrawOld?: boolean }): Promise<void>;
  /** Answers in the provider's place; undefined lets the provider answer again. */
  answerWith(answer: Answer | undefined): void;
  /** Nobody listens on its port any more, until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

interface SigningKey {
  readonly keyId: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

const client = {
  client_id: 'metrics',
  client_secret: 'secret of the client metrics',
  redirect_uris: ['https://client.example/callback'],
  id_token_signed_response_alg: 'RS256',
} as const;

/** `serving` has to be for 127.0.0.1; `authority` is the PEM that vouches for it. */
export async function startOpenIdProvider(
  serving: IssuedCertificate,
  authority: string,
): Promise<OpenIdProvider> {
  const requests: string[] = [];
  const open = new Set<Socket>();
  const claimsOf = new Map<string, Readonly<Record<string, unknown>>>();
  let answer: Answer | undefined;
  let handle: Answer = (_, response) => response.writeHead(503).end();
  const server = createServer(
    { cert: serving.certificatePem, key: serving.privateKeyPem },
    (request, response) => {
      requests.push(new URL(request.url ?? '/', 'https://provider.example').pathname);
      (answer ?? handle)(request, response);
    },
  );
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  const listen = (port: number): Promise<void> =>
    new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of open) socket.destroy();
    await closed;
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const issuerUrl = `https://127.0.0.1:${port}`;
  let keys: readonly [SigningKey, ...SigningKey[]] = [await createKey('key-1')];
  let keysMade = 1;
  const serve = (): void => {
    const published = keys.map(({ jwk }) => jwk);
    handle = requestHandler(issuerUrl, published, claimsOf);
  };
  serve();
  return {
    issuerUrl,
    clientId: client.client_id,
    requests,
    async idToken(user, claims = {}) {
      claimsOf.set(user, claims);
      return new CodeFlow(issuerUrl, client, authority).idToken(user);
    },
    sign(claims, keyId = keys[0].keyId) {
      return new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: keyId })
        .sign(keys[0].privateKey);
    },
    async rotateKeys({ withdrawOld = false } = {}) {
      keysMade += 1;
      const next = await createKey(`key-${keysMade}`);
      keys = withdrawOld ? [next] : [next, ...keys];
      serve();
    },
    answerWith(next) {
      answer = next;
    },
    stop,
    start: () => listen(port),
    close: stop,
  };
}

async function createKey(keyId: string): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), kid: keyId, use: 'sig', alg: 'RS256' };
  return { keyId, privateKey, jwk };
}

/** The provider, and the page on which users sign in: whoever comes is who the request says. */
function requestHandler(
  issuerUrl: string,
  keys: readonly JWK[],
  claimsOf: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
): Answer {
  const provider = new Provider(issuerUrl, {
    adapter: memoryAdapter(),
    clients: [{ ...client, redirect_uris: [...client.redirect_uris] } satisfies ClientMetadata],
    jwks: { keys: keys.map((key) => ({ ...key, kty: key.kty ?? '' })) },
    cookies: { keys: ['a key of cookies that nobody keeps'] },
    // Whatever the user claims stands in the ID token, and not only behind the userinfo endpoint.
    conformIdTokenClaims: false,
    claims: { openid: ['sub', 'email', 'email_verified', 'groups'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    ttl: {
      IdToken: 3_600,
      AccessToken: 3_600,
      AuthorizationCode: 60,
      Grant: 3_600,
      Interaction: 60,
      Session: 60,
    },
    findAccount: (_, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, ...claimsOf.get(accountId) }),
    }),
    loadExistingGrant: async (context) => {
      const { Grant } = context.oidc.provider;
      const { session, client: known } = context.oidc;
      if (session?.accountId === undefined || known === undefined) return undefined;
      const grant = new Grant({ clientId: known.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
  });
  const answer = provider.callback();
  return (request, response) => {
    if (request.url?.startsWith('/interaction/') !== true) {
      void answer(request, response);
      return;
    }
    void provider.interactionDetails(request, response).then(({ params }) =>
      provider.interactionFinished(request, response, {
        login: { accountId: String(params['login_hint']) },
      }),
    );
  };
}
