/**
 * One line of the report. `goal` is text; `met` is left out where a figure has no goal.
 * @typedef {{ what: string, figures: string, goal?: string, met?: boolean }} Row
 */

/** @param {string} title @param {readonly Row[]} rows @param {number} seconds */
export function printSection(title, rows, seconds) {
  const cells = rows.map((row) => [row.what, row.figures, row.goal ?? '', verdict(row)]);
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((line) => line[column].length)));
  const lines = cells.map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  process.stdout.write(`\n${title}  (${seconds.toFixed(1)} s)\n`);
  for (const line of lines) process.stdout.write(`  ${line.trimEnd()}\n`);
}

/** @param {readonly Row[]} rows */
export function printSummary(rows) {
  const judged = rows.filter(({ met }) => met !== undefined);
  const missed = judged.filter(({ met }) => met === false);
  process.stdout.write(`\n${judged.length - missed.length} of ${judged.length} goals met\n`);
  for (const { what, figures, goal } of missed) {
    process.stdout.write(`  missed: ${what}: ${figures}; goal ${goal}\n`);
  }
}

/** @param {string} what @param {{ p50: number, p99: number }} figures in ns @returns {Row} */
export function plainRow(what, { p50, p99 }) {
  return { what, figures: `${duration(p50)} / ${duration(p99)}` };
}

/** The same where the median has a goal (ns). @param {string} what @param {{ p50: number, p99: number }} figures @param {number} goalNs @returns {Row} */
export function goalRow(what, figures, goalNs) {
  return { ...plainRow(what, figures), goal: `p50 < ${duration(goalNs)}`, met: figures.p50 < goalNs };
}

/** @param {Row} row */
function verdict({ met }) {
  if (met === undefined) return '';
  return met ? 'met' : 'MISSED';
}

/** @param {number} nanoseconds */
export function duration(nanoseconds) {
  if (nanoseconds < 10_000) return `${Math.round(nanoseconds)} ns`;
  if (nanoseconds < 10_000_000) return `${(nanoseconds / 1000).toFixed(1)} µs`;
  return `${(nanoseconds / 1_000_000).toFixed(1)} ms`;
}
