import { zPagePaths } from '../../paths/classify.js';
import { htmlPage } from './html-page.js';
import { flagsDocument, indexDocument, shownFlags, statusDocument } from './page-contents.js';
import { textPage, type PageLink } from './page-document.js';
import type { FlagInForce, ServerStatus } from './server-status.js';
import { dateText } from './shown-text.js';

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

const abouts: readonly PageLink[] = [
  ['/', 'the paths of this server'],
  ['/statusz', 'the status of this process'],
  ['/flagz', 'its flags, with the values in force'],
  ['/metrics', 'the metrics'],
  ['/livez?verbose', 'whether the process is to be left running'],
  ['/readyz?verbose', 'whether it is to be sent requests'],
];

/** The page in the format of the Accept header. `now` in ms since the epoch. */
export function zPage(path: ZPagePath, sources: ZPageSources, accept: string, now: number) {
  const { component, status, flags } = sources;
  const paths = allPaths(sources);
  const links = linksOf(paths);
  const isHtml = prefersHtml(accept, path === '/' ? 'application/json' : 'text/plain');
  if (path === '/' && !isHtml) {
    // As Kubernetes' API servers list their paths.
    const body = JSON.stringify({ paths: sorted(paths) }, null, 2);
    return { contentType: 'application/json', isHtml, body };
  }
  const page =
    path === '/'
      ? indexDocument(component, links)
      : path === '/statusz'
        ? statusDocument(component, status(), links, now)
        : flagsDocument(component, flags?.() ?? [], links);
  if (isHtml) return { contentType: 'text/html; charset=utf-8', isHtml, body: htmlPage(page) };
  // In text, Kubernetes' `/flagz` has nothing but flags below its warning.
  const body = textPage(path === '/flagz' ? { ...page, links: [] } : page);
  return { contentType: 'text/plain; charset=utf-8', isHtml, body };
}

const ofConfiguration = { g: 'config.k8s.io', v: 'v1beta1' } as const;

/** The kinds of Kubernetes' structured z-pages, as an Accept header's parameters ask for them: kind, group and version. */
export const structuredKinds = {
  '/statusz': { as: 'Statusz', ...ofConfiguration },
  '/flagz': { as: 'Flagz', ...ofConfiguration },
} as const;

/**
 * The page as Kubernetes' object of its kind, with the fields that a server without Go can fill. `now` in ms since the
 * epoch.
 */
export function zPageObject(path: Exclude<ZPagePath, '/'>, sources: ZPageSources, now: number) {
  const { as: kind, g, v } = structuredKinds[path];
  const head = { kind, apiVersion: `${g}/${v}`, metadata: { name: sources.component } };
  if (path === '/flagz') return { ...head, flags: Object.fromEntries(shownFlags(sources.flags?.() ?? [])) };
  const { startedAt, version } = sources.status();
  const folders = allPaths(sources).map((each) => `/${each.split('/')[1] ?? ''}`);
  return {
    ...head,
    startTime: Number.isFinite(startedAt) ? dateText(startedAt) : null,
    uptimeSeconds: Math.max(0, Math.floor((now - startedAt) / 1000)) || 0,
    binaryVersion: version,
    paths: sorted(folders.filter((folder) => folder !== '/')),
  };
}

function allPaths({ paths, flags }: ZPageSources): readonly string[] {
  return [...paths, ...zPagePaths.filter((each) => each !== '/flagz' || flags !== undefined)];
}

function sorted(paths: readonly string[]): readonly string[] {
  return [...new Set(paths)].sort();
}

/** The pages to link, and the metrics. */
function linksOf(paths: readonly string[]): readonly PageLink[] {
  const metrics = paths.filter((path) => path.startsWith('/metrics/'));
  return abouts
    .filter(([target]) => paths.includes(target.replace(/\?.*$/, '')))
    .flatMap((link) =>
      link[0] === '/metrics' ? [link, ...metrics.map((path) => [path, 'other metrics'] as const)] : [link],
    );
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
