import type { ControlPlane } from './control-plane.js';

export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What a token may be bound to: it dies with it. */
export interface BoundObject {
  readonly kind: 'Pod' | 'Secret' | 'Node';
  readonly name: string;
  readonly uid: string;
}

/** Of a TokenRequest. Default: the server's own audience, for an hour, bound to the account alone. */
export interface TokenRequest {
  readonly audiences?: readonly string[];
  /** A server issues none for less than 600. */
  readonly expirationSeconds?: number;
  readonly boundTo?: BoundObject;
}

export interface TokenReviewStatus {
  readonly authenticated?: boolean;
  readonly error?: string;
  readonly audiences?: readonly string[];
  readonly user?: {
    readonly username?: string;
    readonly uid?: string;
    readonly groups?: readonly string[];
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
}

const api = '/api/v1';
const apiVersion = 'v1';

/** Service accounts on an API server, as an administrator sees them. Every method throws when the server refuses. */
export class ServiceAccounts {
  constructor(private readonly server: Pick<ControlPlane, 'request'>) {}

  async create(namespace: string, name: string): Promise<ServiceAccount> {
    const found = await this.server.request('GET', `${api}/namespaces/${namespace}`);
    if (found.status === 404) {
      await this.#create(`${api}/namespaces`, { kind: 'Namespace', metadata: { name: namespace } });
    }
    const uid = await this.#create(pathOf(namespace, 'serviceaccounts'), {
      kind: 'ServiceAccount',
      metadata: { name },
    });
    return { namespace, name, uid };
  }

  async createNode(name: string): Promise<BoundObject> {
    return {
      kind: 'Node',
      name,
      uid: await this.#create(`${api}/nodes`, { kind: 'Node', metadata: { name } }),
    };
  }

  /** Nobody runs it; on a node only in so far as it says so. */
  async createPod(
    { namespace, name: account }: ServiceAccount,
    name: string,
    node?: string,
  ): Promise<BoundObject> {
    const uid = await this.#create(pathOf(namespace, 'pods'), {
      kind: 'Pod',
      metadata: { name },
      spec: {
        serviceAccountName: account,
        containers: [{ name: 'prometheus', image: 'prometheus' }],
        ...(node === undefined ? {} : { nodeName: node }),
      },
    });
    return { kind: 'Pod', name, uid };
  }

  async createSecret({ namespace }: ServiceAccount, name: string): Promise<BoundObject> {
    const uid = await this.#create(pathOf(namespace, 'secrets'), { kind: 'Secret', metadata: { name } });
    return { kind: 'Secret', name, uid };
  }

  async requestToken({ namespace, name }: ServiceAccount, request: TokenRequest = {}): Promise<string> {
    const { audiences = [], expirationSeconds = 3_600, boundTo } = request;
    const body = await this.#send('POST', `${pathOf(namespace, 'serviceaccounts')}/${name}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences,
        expirationSeconds,
        ...(boundTo === undefined ? {} : { boundObjectRef: { apiVersion, ...boundTo } }),
      },
    });
    return (body as { readonly status: { readonly token: string } }).status.token;
  }

  /** The server's own answer. */
  async review(token: string): Promise<TokenReviewStatus> {
    const body = await this.#send('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token },
    });
    return (body as { readonly status: TokenReviewStatus }).status;
  }

  async delete({ namespace, name }: ServiceAccount): Promise<void> {
    await this.#send('DELETE', `${pathOf(namespace, 'serviceaccounts')}/${name}`);
  }

  async deleteBound({ namespace }: ServiceAccount, { kind, name }: BoundObject): Promise<void> {
    const path = kind === 'Node' ? `${api}/nodes` : pathOf(namespace, `${kind.toLowerCase()}s`);
    // Nobody is there who would see a pod to its end.
    await this.#send('DELETE', `${path}/${name}?gracePeriodSeconds=0`);
  }

  /** Resolves to its uid. */
  async #create(path: string, object: object): Promise<string> {
    const body = await this.#send('POST', path, { apiVersion, ...object });
    return (body as { readonly metadata: { readonly uid: string } }).metadata.uid;
  }

  async #send(method: 'POST' | 'DELETE', path: string, sent?: object): Promise<unknown> {
    const { status, body } = await this.server.request(method, path, sent);
    if (status < 300) return body;
    throw new Error(`${method} ${path}: ${status} ${(body as { readonly message?: string }).message ?? ''}`);
  }
}

function pathOf(namespace: string, resource: string): string {
  return `${api}/namespaces/${namespace}/${resource}`;
}
