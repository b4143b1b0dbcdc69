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

/** A path of the same server, with its leading slash. */
export type PageLink = readonly [target: string, about: string];

export interface PageSection {
  /**
   * `facts`: names with their values. `table`: rows of which the first cell names each. `list`: an ordered list, of one
   * cell each. `links`: where paths of the same server are what the page is about.
   */
  readonly kind: 'facts' | 'table' | 'list' | 'links';
  readonly heading: string;
  /** The section's label for screen readers. */
  readonly caption: string;
  /** What the text of facts has between name and value. */
  readonly delimiter?: ': ' | '=';
  readonly columns?: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The page for a terminal. It begins as Kubernetes' z-pages do: an empty line, the title, the warning. */
export function textPage({ title, notice, sections, links }: PageDocument): string {
  const parts = [`\n${visibleText(title)}\n${visibleText(notice)}`, ...sections.map(textOf)];
  if (links.length > 0) parts.push(['Paths', ...aligned(links)].join('\n'));
  return `${parts.join('\n\n')}\n`;
}

function textOf(section: PageSection): string {
  const { kind, heading, rows, delimiter } = section;
  // The main section has no heading, so that `/flagz` is only flags.
  if (kind === 'facts') return rows.map((row) => row.map(visibleText).join(delimiter)).join('\n');
  return [visibleText(heading), ...linesOf(section)].join('\n');
}

function linesOf({ kind, columns = [], rows }: PageSection): readonly string[] {
  if (kind === 'links') return aligned(rows);
  if (rows.length === 0) return ['  none'];
  if (kind === 'list') return rows.map(([item = ''], at) => `  ${at + 1}. ${visibleText(item)}`);
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
