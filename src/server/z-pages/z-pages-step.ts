import type { ServerResponse } from 'node:http';
import { codedError } from '../../coded-error.js';
import { negotiate, objectBody, type MediaTypeParameters } from '../../request/answer/object-body.js';
import { refuseOtherMethods, sendInternalError, sendStatus, sendText } from '../../request/answer/status.js';
import { headerLine, requestState, type Middleware, type Request } from '../../request/middleware.js';
import { pageSecurityPolicy } from './html-page.js';
import { aFunction, aText, faultIn, optional, texts, type Check } from '../../option-checks.js';
import { zPagePaths } from '../../paths/classify.js';
import {
  prefersHtml,
  structuredKinds,
  zPage,
  zPageObject,
  type ZPagePath,
  type ZPageSources,
} from './z-page.js';

export interface ZPagesOptions extends Omit<ZPageSources, 'component'> {
  /** Stands in each title. Default `kcp-metrics-filter`. */
  readonly component?: string;
}

/** An invalid option of `zPages`; the message names it. */
export class ZPagesOptionError extends codedError('ZPagesOptionError', 'ERR_Z_PAGES_OPTION') {}

/** What Kubernetes serves; HTML is ours. */
const mediaTypes = ['application/json', 'application/yaml', 'text/plain'] as const;
const conversions = ['as', 'g', 'v'] as const;

const checks: Readonly<Record<keyof ZPagesOptions, Check>> = {
  component: optional(aText),
  status: aFunction,
  flags: optional(aFunction),
  paths: texts,
};

/**
 * Kubernetes' `/statusz` and `/flagz`, and `/`, the list of paths: text for programs, HTML for browsers, and an object
 * for clients that ask for its kind (k8s.io/apiserver, pkg/server/statusz and flagz). Stands behind `classifyPath` and
 * `authorize`, and serves what was allowed since the former, by the page's own path and never below a scope; passes
 * every other path on.
 * @throws ZPagesOptionError when an option is missing, unknown or of the wrong type.
 */
export function zPages(options: ZPagesOptions): Middleware {
  const fault = faultIn(options, checks, 'is no option of zPages');
  if (fault !== undefined) throw new ZPagesOptionError(fault.join(': '));
  const { component = 'kcp-metrics-filter', status, flags, paths } = options;
  const sources: ZPageSources = { component, status, flags, paths };
  return (request, response, next) => {
    const path = pagePathOf(request);
    if (path === undefined || (path === '/flagz' && flags === undefined)) next();
    else if (requestState(request).isAllowed !== true) {
      // Reached only without `authorize`, so nothing has been allowed.
      sendStatus(request, response, 'Unauthorized', 'Unauthorized');
    } else if (!refuseOtherMethods(request, response)) sendPage(request, response, path, sources);
  };
}

/** A `status` function that throws is answered 500. */
function sendPage(request: Request, response: ServerResponse, path: ZPagePath, sources: ZPageSources): void {
  const accept = headerLine(request, 'accept') ?? '';
  const send = (contentType: string, body: string, headers: Readonly<Record<string, string>> = {}): void => {
    sendText(request, response, 200, body, {
      'Content-Type': contentType,
      Vary: 'Accept',
      'Referrer-Policy': 'no-referrer',
      ...headers,
    });
  };
  try {
    if (path !== '/' && accept.trim() !== '') {
      const kind = structuredKinds[path];
      const accepted = negotiate(accept, mediaTypes, allowsPage(kind));
      if (accepted === undefined && !prefersHtml(accept, 'text/plain')) {
        const message = `only the following media types are accepted: ${mediaTypes.join(', ')}`;
        sendStatus(request, response, 'NotAcceptable', message);
        return;
      }
      const { mediaType = 'text/plain', isPretty = false } = accepted ?? {};
      if (mediaType !== 'text/plain') {
        const object = zPageObject(path, sources, Date.now());
        const { body } = objectBody(request, object, { mediaType, isPretty });
        send(`${mediaType};g=${kind.g};v=${kind.v};as=${kind.as}`, body);
        return;
      }
    }
    const { contentType, isHtml, body } = zPage(path, sources, accept, Date.now());
    send(contentType, body, isHtml ? { 'Content-Security-Policy': pageSecurityPolicy } : {});
  } catch (error) {
    sendInternalError(request, response, error);
  }
}

/** Objects of the page's own kind alone, and text of none. */
function allowsPage(kind: Readonly<Record<(typeof conversions)[number], string>>) {
  return (mediaType: (typeof mediaTypes)[number], parameters: MediaTypeParameters): boolean => {
    if (parameters.has('stream') || parameters.has('sv')) return false;
    const isText = mediaType === 'text/plain';
    return conversions.every((name) => parameters.get(name) === (isText ? undefined : kind[name]));
  };
}

function pagePathOf(request: Request): ZPagePath | undefined {
  const { classification } = requestState(request);
  if (classification?.kind !== 'other') return undefined;
  const { path, scope } = classification;
  if (scope.shard !== undefined || scope.cluster !== undefined) return undefined;
  return zPagePaths.find((page) => page === path);
}
