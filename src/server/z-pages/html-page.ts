import { escapeHtml } from './escape-html.js';
import type { PageDocument, PageLink, PageSection } from './page-document.js';
import { pageStyle } from './page-style.js';

/** The page for a browser: no script, nothing that is loaded, everything escaped. */
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
  const items = links.map((link) => `<li>${anchor(link)}</li>`);
  return `<nav aria-label="Paths of this server">\n<ul>\n${items.join('\n')}\n</ul>\n</nav>\n`;
}

function anchor({ target }: PageLink): string {
  return `<a href="${escapeHtml(samePlace(target))}">${escapeHtml(target)}</a>`;
}

/** A link never leads to another server: `//host` would. */
function samePlace(target: string): string {
  return `/${target.replace(/^[/\\]+/, '')}`;
}

function sectionOf(section: PageSection, at: number): string {
  const id = `section-${at + 1}`;
  return `<section aria-labelledby="${id}">\n<h2 id="${id}">${escapeHtml(section.heading)}</h2>\n${contentOf(section)}\n</section>`;
}

function contentOf(section: PageSection): string {
  const { caption } = section;
  switch (section.kind) {
    case 'facts':
      return table('facts', caption, section.columns, section.facts.map(escapedRow));
    case 'table':
      if (section.rows.length === 0) return nothing(caption);
      return table('rows', caption, section.columns, section.rows.map(escapedRow));
    case 'links': {
      const rows = section.links.map((link) => [anchor(link), escapeHtml(link.about)]);
      return table('facts', caption, section.columns, rows);
    }
    case 'list': {
      if (section.items.length === 0) return nothing(caption);
      const items = section.items.map((item) => `<li>${escapeHtml(item)}</li>`);
      return `${quiet(caption)}\n<ol>\n${items.join('\n')}\n</ol>`;
    }
  }
}

function escapedRow(row: readonly string[]): readonly string[] {
  return row.map(escapeHtml);
}

/** The cells of `rows` are HTML. The roles say what the style, on a narrow screen, would take from the elements. */
function table(
  look: 'facts' | 'rows',
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const heads = columns.map((column) => `<th role="columnheader" scope="col">${escapeHtml(column)}</th>`);
  const lines = rows.map(([name = '', ...cells]) => {
    const rest = cells.map(
      (cell, at) => `<td role="cell" data-column="${escapeHtml(columns[at + 1] ?? '')}">${cell}</td>`,
    );
    return `<tr role="row"><th role="rowheader" scope="row">${name}</th>${rest.join('')}</tr>`;
  });
  return `<table class="${look}" role="table">
<caption>${escapeHtml(caption)}</caption>
<thead role="rowgroup"><tr role="row">${heads.join('')}</tr></thead>
<tbody role="rowgroup">
${lines.join('\n')}
</tbody>
</table>`;
}

function nothing(caption: string): string {
  return `${quiet(caption)}\n<p>None.</p>`;
}

function quiet(text: string): string {
  return `<p class="quiet">${escapeHtml(text)}</p>`;
}
