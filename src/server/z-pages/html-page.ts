import { createHash } from 'node:crypto';
import type { PageDocument, PageSection } from './page-document.js';
import { visibleText } from '../request-log.js';

/** The page for a browser: no script, no external resource, everything escaped. */
export function htmlPage({ title, notice, sections, links }: PageDocument): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<header>
<a class="skip" href="#content">Skip to the content</a>
<h1>${escapeHtml(title)}</h1>
${quiet(notice)}
${navigation(links)}</header>
<main id="content">
${sections.map(sectionOf).join('\n')}
</main>
</body>
</html>
`;
}

function navigation(links: PageDocument['links']): string {
  if (links.length === 0) return '';
  const items = links.map(([target]) => `<li>${anchor(target)}</li>`);
  return `<nav aria-label="Paths of this server">\n<ul>\n${items.join('\n')}\n</ul>\n</nav>\n`;
}

/** A link never leads to another server: `//host` would. */
function anchor(target: string): string {
  return `<a href="${escapeHtml(`/${target.replace(/^[/\\]+/, '')}`)}">${escapeHtml(target)}</a>`;
}

function sectionOf(section: PageSection, at: number): string {
  const id = `section-${at + 1}`;
  return `<section aria-labelledby="${id}">\n<h2 id="${id}">${escapeHtml(section.heading)}</h2>\n${contentOf(section)}\n</section>`;
}

/** Roles keep a table's semantics, which the narrow style would remove. */
function contentOf({ kind, caption, columns = [], rows }: PageSection): string {
  const isOfRows = kind === 'table' || kind === 'list';
  if (isOfRows && rows.length === 0) return `${quiet(caption)}\n<p>None.</p>`;
  if (kind === 'list') {
    const items = rows.map(([item = '']) => `<li>${escapeHtml(item)}</li>`);
    return `${quiet(caption)}\n<ol>\n${items.join('\n')}\n</ol>`;
  }
  const heads = columns.map((column) => `<th role="columnheader" scope="col">${escapeHtml(column)}</th>`);
  const lines = rows.map(([name = '', ...cells]) => {
    const first = kind === 'links' ? anchor(name) : escapeHtml(name);
    const rest = cells.map((cell, at) => {
      const column = escapeHtml(columns[at + 1] ?? '');
      return `<td role="cell" data-column="${column}">${escapeHtml(cell)}</td>`;
    });
    return `<tr role="row"><th role="rowheader" scope="row">${first}</th>${rest.join('')}</tr>`;
  });
  return `<table class="${isOfRows ? 'rows' : 'facts'}" role="table">
<caption>${escapeHtml(caption)}</caption>
<thead role="rowgroup"><tr role="row">${heads.join('')}</tr></thead>
<tbody role="rowgroup">
${lines.join('\n')}
</tbody>
</table>`;
}

function quiet(text: string): string {
  return `<p class="quiet">${escapeHtml(text)}</p>`;
}

const escapes: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** The text as content, or as an attribute's value in double quotes. */
function escapeHtml(text: string): string {
  return visibleText(text).replace(/[&<>"']/g, (character) => escapes[character] ?? '');
}

/**
 * The only style of a page: every pair of its colours has a contrast of 5:1 and more. On a narrow screen each row of a
 * table with several columns is a block, each cell a line of it.
 */
const pageStyle = `
:root { color-scheme: light dark; --text: #1b1f24; --quiet: #57606a; --line: #d0d7de; --page: #fff; --link: #0550ae; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --quiet: #9da7b3; --line: #3d444d; --page: #0d1117; --link: #79b8ff; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 64rem; color: var(--text); background: var(--page); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; }
h2 { margin: 2rem 0 0; font-size: 1.15rem; }
p { margin: .5rem 0; }
.quiet, caption { color: var(--quiet); }
a { color: var(--link); }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { position: static; display: inline-block; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .75rem 0 0; padding: 0; list-style: none; }
nav a { display: inline-block; min-width: 1.5rem; padding: .15rem 0; }
table { width: 100%; border-collapse: collapse; }
caption { padding: 0 0 .5rem; text-align: left; }
th, td { padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line); text-align: left; vertical-align: top; font-weight: normal; }
thead th { color: var(--quiet); font-size: .875rem; }
tbody th { min-width: 6rem; }
.facts tbody th { width: 40%; }
td, tbody th { font-family: ui-monospace, monospace; font-size: .9375rem; }
th:last-child, td:last-child { padding-right: 0; }
ol { margin: .25rem 0; padding-left: 1.75rem; font-family: ui-monospace, monospace; }
@media (max-width: 40rem) {
  td, tbody th { font-size: .875rem; }
  tbody th { min-width: 0; }
  .rows, .rows caption, .rows tbody, .rows tr, .rows th, .rows td { display: block; padding-right: 0; }
  .rows thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .rows tr { padding: .35rem 0; border-top: 1px solid var(--line); }
  .rows tr > * { padding: .05rem 0; border: 0; }
  .rows tbody th { font-weight: 600; }
  .rows td::before { content: attr(data-column) ": "; color: var(--quiet); font-family: system-ui, sans-serif; }
}
`;

/** Nothing is loaded, run, sent or framed; the style is known by its digest. */
export const pageSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(pageStyle).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
