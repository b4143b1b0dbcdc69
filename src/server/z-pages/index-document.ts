import type { PageDocument, PageLink } from './page-document.js';

/** `/` for people. */
export function indexDocument(component: string, links: readonly PageLink[]): PageDocument {
  return {
    title: component,
    notice: 'Guards the metrics of this server: each path is served to whoever is allowed to read it.',
    sections: [
      {
        kind: 'links',
        heading: 'Paths',
        caption: 'What is served here.',
        columns: ['Path', 'What it shows'],
        links,
      },
    ],
    links: [],
  };
}

/** `/` for programs, as Kubernetes' API servers list their paths. */
export function pathsJson(paths: readonly string[]): string {
  return JSON.stringify({ paths: [...new Set(paths)].sort() }, null, 2);
}
