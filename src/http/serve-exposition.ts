import type { Exposition } from '../exposition/exposition.js';
import type { Middleware } from './middleware.js';
import { requestState } from './request-state.js';
import { sendInternalError, sendStatus, setCommonHeaders } from './status.js';

export interface ServeExpositionOptions {
  /** By shard-level path; any other is 404. */
  readonly expositions: ReadonlyMap<string, Exposition>;
  /** Default `/metrics`: the path to serve where no classifier stands in front. */
  readonly defaultPath?: string;
  /** Told of every scrape served or failed, with the seconds it took. */
  readonly onScrape?: (result: 'success' | 'failure', seconds: number) => void;
}

const processStart = String(Math.floor((Date.now() - process.uptime() * 1000) / 1000));

/**
 * Stands last. It serves the path the classifier found, not the one a router would: so the guard and what it
 * guards cannot disagree.
 */
export function serveExposition({
  expositions,
  defaultPath = '/metrics',
  onScrape = () => undefined,
}: ServeExpositionOptions): Middleware {
  return (request, response) => {
    const { classification } = requestState(request);
    const path = classification?.kind === 'shard-level' ? classification.path : defaultPath;
    const exposition = expositions.get(path);
    if (exposition === undefined) {
      sendStatus(request, response, 'NotFound', 'the server could not find the requested resource');
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      const message = 'the server does not allow this method on the requested resource';
      sendStatus(request, response, 'MethodNotAllowed', message, { Allow: 'GET, HEAD' });
      return;
    }
    const scrape = { accept: request.headers.accept ?? '' };
    const begin = (contentType: string): void => {
      setCommonHeaders(request, response);
      response.setHeader('Content-Type', contentType);
      response.setHeader('Process-Start-Time-Unix', processStart);
    };
    if (request.method === 'HEAD') {
      begin(exposition.contentType(scrape));
      response.end();
      return;
    }
    const started = performance.now();
    const seconds = (): number => (performance.now() - started) / 1000;
    exposition.render(scrape).then(
      ({ contentType, body }) => {
        begin(contentType);
        response.setHeader('Content-Length', Buffer.byteLength(body));
        response.end(body);
        onScrape('success', seconds());
      },
      (error: unknown) => {
        onScrape('failure', seconds());
        sendInternalError(request, response, error);
      },
    );
  };
}
