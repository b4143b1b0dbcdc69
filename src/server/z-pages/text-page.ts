import type { PageDocument, PageLink, PageSection, TableSection } from './page-document.js';
import { visibleText } from './visible-text.js';

const none = 'none';

/** The page for a terminal. It begins as Kubernetes' z-pages do: an empty line, the title, the warning. */
export function textPage({ title, notice, sections, links }: PageDocument): string {
  const parts = [`\n${visibleText(title)}\n${visibleText(notice)}`, ...sections.map(textOf)];
  if (links.length > 0) parts.push(['Paths', ...linkLines(links)].join('\n'));
  return `${parts.join('\n\n')}\n`;
}

function textOf(section: PageSection): string {
  switch (section.kind) {
    case 'facts':
      // The first to look for, and no reader of flags wants a heading above them.
      return section.facts
        .map(([name, value]) => visibleText(name) + section.delimiter + visibleText(value))
        .join('\n');
    case 'table':
      return [visibleText(section.heading), ...tableLines(section)].join('\n');
    case 'list': {
      const items = section.items.map((item, at) => `  ${at + 1}. ${visibleText(item)}`);
      return [visibleText(section.heading), ...(items.length === 0 ? [`  ${none}`] : items)].join('\n');
    }
    case 'links':
      return [visibleText(section.heading), ...linkLines(section.links)].join('\n');
  }
}

function linkLines(links: readonly PageLink[]): readonly string[] {
  return aligned(links.map(({ target, about }) => [target, about]));
}

function tableLines({ columns, rows }: TableSection): readonly string[] {
  if (rows.length === 0) return [`  ${none}`];
  return aligned([columns.map((column) => column.toUpperCase()), ...rows]);
}

/** Below each other, two blanks apart. */
function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const seen = rows.map((row) => row.map(visibleText));
  const widths: number[] = [];
  for (const row of seen) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return seen.map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd());
}
