import type { ServerResponse } from 'node:http';
import { pageSecurityPolicy } from '../z-pages/page-style.js';
import { zPage, zPagePaths, type ZPagePath, type ZPageSources } from '../z-pages/z-page.js';
import type { Middleware, Request } from './middleware.js';
import { requestState } from './request-state.js';
import { sendInternalError, sendStatus, sendText } from './status.js';

export interface ZPagesOptions extends Omit<ZPageSources, 'component'> {
  /** Stands in each title. Default `kcp-metrics-filter`. */
  readonly component?: string;
}

/** An option of `zPages` that cannot be used; the message names it. */
export class ZPagesOptionError extends TypeError {
  override readonly name = 'ZPagesOptionError';
  readonly code = 'ERR_Z_PAGES_OPTION';
}

const known: ReadonlySet<string> = new Set<keyof ZPagesOptions>(['component', 'status', 'flags', 'paths']);

/**
 * Kubernetes' `/statusz` and `/flagz`, and `/`, the list of paths: text for programs, HTML for browsers. Stands
 * behind `classifyPath` and `authorize`, and serves what was allowed since the former, by the page's own path and never
 * below a scope; passes every other path on.
 *
 * @throws ZPagesOptionError when an option is missing, unknown or of the wrong type.
 */
export function zPages(options: ZPagesOptions): Middleware {
  validate(options);
  const { component = 'kcp-metrics-filter', status, flags, paths } = options;
  const sources: ZPageSources = { component, status, flags, paths };
  return (request, response, next) => {
    const path = pagePathOf(request);
    if (path === undefined || (path === '/flagz' && flags === undefined)) next();
    else if (requestState(request).isAllowed !== true) {
      // Reached only where `authorize` was left out: nobody has been allowed anything.
      sendStatus(request, response, 'Unauthorized', 'Unauthorized');
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      const message = 'the server does not allow this method on the requested resource';
      sendStatus(request, response, 'MethodNotAllowed', message, { Allow: 'GET, HEAD' });
    } else sendPage(request, response, path, sources);
  };
}

/** What cannot be told, since an application's `status` throws, is a 500. */
function sendPage(request: Request, response: ServerResponse, path: ZPagePath, sources: ZPageSources): void {
  try {
    const page = zPage(path, sources, request.headers.accept ?? '', Date.now());
    sendText(request, response, 200, page.body, {
      'Content-Type': page.contentType,
      Vary: 'Accept',
      'Referrer-Policy': 'no-referrer',
      ...(page.isHtml ? { 'Content-Security-Policy': pageSecurityPolicy } : {}),
    });
  } catch (error) {
    sendInternalError(request, response, error);
  }
}

function pagePathOf(request: Request): ZPagePath | undefined {
  const { classification } = requestState(request);
  if (classification?.kind !== 'other') return undefined;
  const { path, scope } = classification;
  if (scope.shard !== undefined || scope.cluster !== undefined) return undefined;
  return zPagePaths.find((page) => page === path);
}

/** Checks at run time what the types say at compile time, once. */
function validate(given: unknown): void {
  if (typeof given !== 'object' || given === null) throw new ZPagesOptionError('options: pass an object');
  const options = given as Readonly<Record<string, unknown>>;
  for (const option of Object.keys(options)) {
    if (!known.has(option)) throw new ZPagesOptionError(`${option}: is no option of zPages`);
  }
  const { component = '', status, flags = status, paths } = options;
  if (typeof component !== 'string') throw new ZPagesOptionError('component: pass a string');
  if (typeof status !== 'function') throw new ZPagesOptionError('status: pass a function');
  if (typeof flags !== 'function') throw new ZPagesOptionError('flags: pass a function');
  const isList = Array.isArray(paths) && paths.every((path: unknown) => typeof path === 'string');
  if (!isList) throw new ZPagesOptionError('paths: pass a list of strings');
}
