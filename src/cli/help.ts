import type { Help } from 'commander';

/** Columns of `--help`. */
export const helpWidth = 80;
const indent = ' '.repeat(6);

/** The flag on a line of its own, as Go prints it: kubernetes' names leave no room for a second column. */
export function formatHelpItem(term: string, _termWidth: number, description: string, helper: Help): string {
  const text = helper.boxWrap(description, helpWidth - indent.length);
  return `  ${term}${text === '' ? '' : `\n${text.replace(/^/gm, indent)}`}`;
}
