import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';

export interface OpenIdClient {
  readonly client_id: string;
  readonly client_secret: string;
  readonly redirect_uris: readonly [string];
}

interface Page {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

/** A browser and a client in one, who get an ID token by the authorization code flow with PKCE (RFC 7636). */
export class CodeFlow {
  readonly #cookies = new Map<string, string>();

  /** `authority`: the PEM that vouches for the provider. */
  constructor(
    readonly issuerUrl: string,
    readonly client: OpenIdClient,
    readonly authority: string,
  ) {}

  async idToken(user: string): Promise<string> {
    const verifier = randomBytes(32).toString('base64url');
    const { client_id, redirect_uris, client_secret } = this.client;
    const query = new URLSearchParams({
      client_id,
      response_type: 'code',
      redirect_uri: redirect_uris[0],
      scope: 'openid',
      login_hint: user,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    const code = await this.#follow(`${this.issuerUrl}/auth?${query.toString()}`);
    const form = new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirect_uris[0],
      code_verifier: verifier,
    });
    const credentials = [client_id, client_secret].map((text) =>
      new URLSearchParams({ text }).toString().slice(5),
    );
    const { status, body } = await this.#send(`${this.issuerUrl}/token`, form.toString(), {
      Authorization: `Basic ${Buffer.from(credentials.join(':')).toString('base64')}`,
      'Content-Type': 'application/x-www-form-urlencoded',
    });
    const { id_token: token } = JSON.parse(body) as { readonly id_token?: unknown };
    if (typeof token !== 'string') throw new Error(`the provider gave no ID token: ${status} ${body}`);
    return token;
  }

  /** The code that stands in the redirect to the client. */
  async #follow(start: string): Promise<string> {
    let url = start;
    for (let step = 0; step < 10; step += 1) {
      const { status, location, body } = await this.#send(url);
      if (location === undefined) throw new Error(`the provider did not redirect: ${status} ${body}`);
      const next = new URL(location, url);
      if (!next.href.startsWith(this.issuerUrl)) return next.searchParams.get('code') ?? '';
      url = next.href;
    }
    throw new Error('the provider redirects in circles');
  }

  #send(url: string, form?: string, headers: Readonly<Record<string, string>> = {}): Promise<Page> {
    return new Promise((resolve, reject) => {
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const sent = request(
        url,
        {
          method: form === undefined ? 'GET' : 'POST',
          ca: this.authority,
          agent: false,
          headers: { ...headers, ...(cookie === '' ? {} : { Cookie: cookie }) },
        },
        (response) => {
          this.#keepCookies(response);
          readBody(response).then((body) => {
            resolve({ status: response.statusCode ?? 0, location: response.headers.location, body });
          }, reject);
        },
      );
      sent.once('error', reject);
      sent.end(form);
    });
  }

  #keepCookies({ headers }: IncomingMessage): void {
    for (const line of headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      this.#cookies.set(name, value);
    }
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
