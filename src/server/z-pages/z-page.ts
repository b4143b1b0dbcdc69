import { zPagePaths } from '../../paths/classify.js';
import { htmlPage } from './html-page.js';
import { type PageDocument, type PageLink, textPage } from './page-document.js';
import type { FlagInForce, ServerStatus } from './server-status.js';
import {
  statusDocument,
  flagsDocument,
  indexDocument,
  pathsJson,
  flagzObject,
  statuszObject,
} from './page-contents.js';

export type ZPagePath = (typeof zPagePaths)[number];

export interface ZPageSources {
  /** Stands in each title. */
  readonly component: string;
  /** Called at each request for `/statusz`. */
  readonly status: () => ServerStatus;
  /** Called at each request for `/flagz`; without it, no flags are shown. */
  readonly flags?: (() => readonly FlagInForce[]) | undefined;
  /** Every path that the server answers, beside those of the z-pages. */
  readonly paths: readonly string[];
}

interface ZPage {
  readonly contentType: string;
  readonly isHtml: boolean;
  readonly body: string;
}

const abouts: ReadonlyMap<string, string> = new Map([
  ['/', 'the paths of this server'],
  ['/statusz', 'the status of this process'],
  ['/flagz', 'its flags, with the values in force'],
  ['/metrics', 'the metrics'],
  ['/livez?verbose', 'whether the process is to be left running'],
  ['/readyz?verbose', 'whether it is to be sent requests'],
]);

/** The page in the format of the Accept header. `now` in ms since the epoch. */
export function zPage(
  path: ZPagePath,
  { component, status, flags, paths }: ZPageSources,
  accept: string,
  now: number,
): ZPage {
  const links = linksOf(paths, flags !== undefined);
  switch (path) {
    case '/':
      if (prefersHtml(accept, 'application/json')) return asHtml(indexDocument(component, links));
      return {
        contentType: 'application/json',
        isHtml: false,
        body: pathsJson(allPaths(paths, flags !== undefined)),
      };
    case '/statusz':
      return asAsked(statusDocument(component, status(), links, now), accept, 'with links');
    case '/flagz':
      return asAsked(flagsDocument(component, flags?.() ?? [], links), accept, 'page alone');
  }
}

/** The page as Kubernetes' object of its kind. `now` in ms since the epoch. */
export function zPageObject(
  path: Exclude<ZPagePath, '/'>,
  { component, status, flags, paths }: ZPageSources,
  now: number,
) {
  return path === '/statusz'
    ? statuszObject(component, status(), allPaths(paths, flags !== undefined), now)
    : flagzObject(component, flags?.() ?? []);
}

function allPaths(paths: readonly string[], hasFlags: boolean): readonly string[] {
  return [...paths, ...zPagePaths.filter((each) => each !== '/flagz' || hasFlags)];
}

/** In text, Kubernetes' `/flagz` has nothing but flags below its warning. */
function asAsked(page: PageDocument, accept: string, extent: 'with links' | 'page alone'): ZPage {
  if (prefersHtml(accept, 'text/plain')) return asHtml(page);
  const body = textPage(extent === 'page alone' ? { ...page, links: [] } : page);
  return { contentType: 'text/plain; charset=utf-8', isHtml: false, body };
}

function asHtml(page: PageDocument): ZPage {
  return { contentType: 'text/html; charset=utf-8', isHtml: true, body: htmlPage(page) };
}

/** The pages to link, and the metrics. */
function linksOf(paths: readonly string[], hasFlags: boolean): readonly PageLink[] {
  const served = new Set([...paths, '/', '/statusz', ...(hasFlags ? ['/flagz'] : [])]);
  const metrics = paths.filter((path) => path.startsWith('/metrics/'));
  return [...abouts]
    .filter(([target]) => served.has(target.replace(/\?.*$/, '')))
    .flatMap(([target, about]) => [
      { target, about },
      ...(target === '/metrics' ? metrics.map((path) => ({ target: path, about: 'other metrics' })) : []),
    ]);
}

/** No browser sends longer ones. */
const maxAcceptLength = 2048;

/**
 * Whether an Accept header (RFC 9110, 12.5.1) prefers HTML to `otherwise`, the format for programs: browsers name HTML,
 * programs name nothing or everything. A malformed header, or one longer than 2 KiB, prefers nothing.
 */
export function prefersHtml(accept: string, otherwise: 'text/plain' | 'application/json'): boolean {
  if (accept === '' || accept.length > maxAcceptLength) return false;
  const weights = weightsOf(accept);
  return weightOf('text/html', weights) > weightOf(otherwise, weights);
}

/** The most specific range that holds the type decides. */
function weightOf(type: string, weights: ReadonlyMap<string, number>): number {
  const [main = ''] = type.split('/');
  return weights.get(type) ?? weights.get(`${main}/*`) ?? weights.get('*/*') ?? 0;
}

/** Weights by media range without parameters; the highest if one is repeated. */
function weightsOf(accept: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const member of accept.split(',')) {
    const [range = '', ...parameters] = member.split(';').map((part) => part.trim().toLowerCase());
    if (range === '') continue;
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
    const weight = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(quality) ? Number(quality) : 0;
    weights.set(range, Math.max(weights.get(range) ?? 0, weight));
  }
  return weights;
}
