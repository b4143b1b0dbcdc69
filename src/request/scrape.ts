import type { ServerResponse } from 'node:http';
import { credentialIdKey, type Identity } from '../authentication/identity.js';
import type { ScrapeRequest, ScrapingUser } from '../exposition/exposition.js';
import { isClosed, isSent, type Request } from './middleware.js';

const maxTimeoutSeconds = 3600;

/** Reads what is asked for: taking all headers apart costs more than most expositions need. */
export class Scrape implements ScrapeRequest {
  readonly #request: Request;
  readonly #response: ServerResponse;
  readonly #identity: Identity | undefined;
  #signal: AbortSignal | undefined;

  constructor(request: Request, response: ServerResponse, identity: Identity | undefined) {
    this.#request = request;
    this.#response = response;
    this.#identity = identity;
  }

  get accept(): string {
    return this.#request.headers.accept ?? '';
  }

  get acceptEncoding(): string {
    return this.#request.headers['accept-encoding'] ?? '';
  }

  get timeoutSeconds(): number | undefined {
    const header = String(this.#request.headers['x-prometheus-scrape-timeout-seconds'] ?? '');
    const seconds = /^\d{1,9}(?:\.\d{1,9})?$/.test(header) ? Number(header) : 0;
    return seconds > 0 ? Math.min(seconds, maxTimeoutSeconds) : undefined;
  }

  get user(): ScrapingUser | undefined {
    return this.#identity === undefined ? undefined : scrapingUser(this.#identity);
  }

  get scraper(): string | undefined {
    return this.#identity?.name;
  }

  get signal(): AbortSignal {
    this.#signal ??= departure(this.#response);
    return this.#signal;
  }
}

function scrapingUser({ name, groups, extra }: Identity): ScrapingUser {
  const entries = Object.entries(extra).filter(([key]) => key !== credentialIdKey);
  return entries.length === 0 ? { name, groups } : { name, groups, extra: Object.fromEntries(entries) };
}

/** Fires when the answer's connection closes before all of the answer is out. */
function departure(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const onClose = (): void => {
    if (!isSent(response)) controller.abort();
  };
  if (isClosed(response)) onClose();
  else response.once('close', onClose);
  return controller.signal;
}
