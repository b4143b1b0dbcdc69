import { visibleText } from '../request-log.js';

/** A page as data, from which its text and its HTML are made. */
export interface PageDocument {
  readonly title: string;
  /** A sentence or two below the title. */
  readonly notice: string;
  readonly sections: readonly PageSection[];
  /** Other pages of the same server. */
  readonly links: readonly PageLink[];
}

export interface PageLink {
  /** Of the same server, with its leading slash. */
  readonly target: string;
  readonly about: string;
}

export type PageSection = {
  readonly heading: string;
  /** The section's label for screen readers. */
  readonly caption: string;
} & (
  | {
      /** Names with their values. */
      readonly kind: 'facts';
      /** What the text has between name and value. */
      readonly delimiter: ': ' | '=';
      readonly columns: readonly [name: string, value: string];
      readonly rows: readonly (readonly [name: string, value: string])[];
    }
  /** Rows of which the first cell names each. */
  | {
      readonly kind: 'table';
      readonly columns: readonly string[];
      readonly rows: readonly (readonly string[])[];
    }
  /** An ordered list. */
  | { readonly kind: 'list'; readonly items: readonly string[] }
  /** Paths of the same server, where they are what the page is about. */
  | {
      readonly kind: 'links';
      readonly columns: readonly [path: string, about: string];
      readonly links: readonly PageLink[];
    }
);

const none = '  none';

/** The page for a terminal. It begins as Kubernetes' z-pages do: an empty line, the title, the warning. */
export function textPage({ title, notice, sections, links }: PageDocument): string {
  const parts = [`\n${visibleText(title)}\n${visibleText(notice)}`, ...sections.map(textOf)];
  if (links.length > 0) parts.push(['Paths', ...linkLines(links)].join('\n'));
  return `${parts.join('\n\n')}\n`;
}

function textOf(section: PageSection): string {
  // The main section has no heading, so that `/flagz` is only flags.
  if (section.kind !== 'facts') return [visibleText(section.heading), ...linesOf(section)].join('\n');
  return section.rows
    .map(([name, value]) => visibleText(name) + section.delimiter + visibleText(value))
    .join('\n');
}

function linesOf(section: Exclude<PageSection, { readonly kind: 'facts' }>): readonly string[] {
  switch (section.kind) {
    case 'table':
      if (section.rows.length === 0) return [none];
      return aligned([section.columns.map((column) => column.toUpperCase()), ...section.rows]);
    case 'list':
      if (section.items.length === 0) return [none];
      return section.items.map((item, at) => `  ${at + 1}. ${visibleText(item)}`);
    case 'links':
      return linkLines(section.links);
  }
}

function linkLines(links: readonly PageLink[]): readonly string[] {
  return aligned(links.map(({ target, about }) => [target, about]));
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
