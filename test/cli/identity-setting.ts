import { randomUUID } from 'node:crypto';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, type IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { signedJwt, type SigningKey } from '../authentication/tokens/jwt/signed-jwt.js';
import { keyPairOf, RawClient, type RawHeaders } from '../support/raw-tls.js';
import { startCli, type StartedServer } from '../support/started-server.js';
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.js';

/** Whose tokens the filter verifies by itself. */
export const issuer = 'https://kubernetes.default.svc';

/** User `prometheus` and the service account `prometheus` of `monitoring` may scrape. */
const policy = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: scrapers, annotations: { internal.kcp.io/replicate: "true" } }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:kcp:metrics-reader" }
subjects:
  - { kind: User, apiGroup: rbac.authorization.k8s.io, name: prometheus }
  - { kind: ServiceAccount, namespace: monitoring, name: prometheus }
`;

/** A line of the log that says why somebody was not let in. */
export interface RefusalLine {
  readonly auditId: string;
  readonly path: string;
  readonly refusals: readonly { readonly authenticator: string; readonly reason: string }[];
}

/** Started filters, their clients, and the files, certificates and tokens of both. */
export class IdentitySetting {
  readonly directory: TemporaryDirectory = temporaryDirectory();
  readonly #policyDirectory: TemporaryDirectory = temporaryDirectory();
  readonly #running: StartedServer[] = [];
  readonly #clients: RawClient[] = [];
  readonly #logs: (() => string)[] = [];
  readonly #tokens: string[] = [];

  private constructor(
    readonly certificates: Readonly<
      Record<'prometheus' | 'mallory' | 'masters' | 'stranger' | 'front-proxy', IssuedCertificate>
    >,
    /** PEM of who signed all of them but the stranger and the front proxy, who signed those. */
    readonly authorities: Readonly<Record<'clients' | 'strangers' | 'proxies', string>>,
  ) {
    this.#policyDirectory.write('policy.yaml', policy);
  }

  static async create(): Promise<IdentitySetting> {
    const clients = await createAuthority({ commonName: 'clients' });
    const strangers = await createAuthority({ commonName: 'strangers' });
    const proxies = await createAuthority({ commonName: 'proxies' });
    const usage = 'clientAuth';
    return new IdentitySetting(
      {
        prometheus: await clients.issue({ commonName: 'prometheus', usage }),
        mallory: await clients.issue({ commonName: 'mallory', usage }),
        masters: await clients.issue({ commonName: 'admin', organizations: ['system:masters'], usage }),
        stranger: await strangers.issue({ commonName: 'prometheus', usage }),
        'front-proxy': await proxies.issue({ commonName: 'front-proxy', usage }),
      },
      {
        clients: clients.certificatePem,
        strangers: strangers.certificatePem,
        proxies: proxies.certificatePem,
      },
    );
  }

  /** A shard with the policy, which knows the clients' authority and whoever else the flags name. */
  async start(...flags: readonly string[]): Promise<StartedServer> {
    const clientCa = this.directory.write('clients.crt', this.authorities.clients);
    const server = await startCli([
      '--mode=shard',
      `--client-ca-file=${clientCa}`,
      `--rbac-dir=${this.#policyDirectory.path}`,
      ...flags,
    ]);
    this.#running.push(server);
    this.#logs.push(() => server.log());
    return server;
  }

  /** Presents the certificate, and keeps its connection. */
  client(server: StartedServer, certificate?: keyof IdentitySetting['certificates']): RawClient {
    const pair = certificate === undefined ? undefined : this.certificates[certificate];
    const client = new RawClient({ port: server.port, ...keyPairOf(pair) });
    this.#clients.push(client);
    return client;
  }

  /** The status of one scrape with a connection of its own. */
  async status(
    server: StartedServer,
    certificate?: keyof IdentitySetting['certificates'],
    headers: RawHeaders = {},
  ): Promise<number> {
    const client = this.client(server, certificate);
    const { status } = await client.request('/metrics', { headers });
    client.close();
    return status;
  }

  /** What system:masters sees of the filter's own metrics. */
  async metrics(server: StartedServer): Promise<readonly string[]> {
    const client = this.client(server, 'masters');
    const { status, body } = await client.request('/metrics');
    client.close();
    if (status !== 200) throw new Error(`the metrics are ${status}`);
    return body.split('\n');
  }

  /** Puts a file, or a file's next content, in its place in one step. */
  publish(name: string, text: string): string {
    const file = join(this.directory.path, name);
    renameSync(this.directory.write(`${name}.new`, text), file);
    return file;
  }

  /** A token of the service account `prometheus` of `monitoring`, with other claims where they are given. */
  token(
    { privateKey, keyId }: SigningKey,
    claims: Readonly<Record<string, unknown>> = {},
    algorithm = 'RS256',
  ): string {
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      iss: issuer,
      aud: [issuer],
      exp: now + 3600,
      iat: now - 5,
      nbf: now - 5,
      jti: randomUUID(),
      sub: 'system:serviceaccount:monitoring:prometheus',
      'kubernetes.io': { namespace: 'monitoring', serviceaccount: { name: 'prometheus', uid: 'u1' } },
      ...claims,
    };
    return this.secret(signedJwt({ alg: algorithm, kid: keyId }, payload, privateKey, algorithm));
  }

  /** A token that must be in no log; `text` itself. */
  secret(text: string): string {
    this.#tokens.push(text);
    return text;
  }

  /** Ends what runs; what stands in the logs and must not. */
  async stop(): Promise<readonly string[]> {
    for (const client of this.#clients.splice(0)) client.close();
    await Promise.all(this.#running.splice(0).map((server) => server.stop()));
    const log = this.#logs
      .splice(0)
      .map((read) => read())
      .join('');
    const pieces = this.#tokens.splice(0).flatMap((token) => [token, token.slice(-20)]);
    return pieces.filter((piece) => log.includes(piece));
  }
}

export function bearing(token: string): RawHeaders {
  return { Authorization: `Bearer ${token}` };
}

/** Those of the log's lines that say why somebody was not let in. */
export function refusalLines(server: StartedServer): readonly RefusalLine[] {
  return server
    .log()
    .split('\n')
    .filter((line) => line.includes('"msg":"unauthenticated"'))
    .map((line) => JSON.parse(line) as RefusalLine);
}
