import type { CaseGroup } from './cases.js';
import { isAsExpected, type Outcome } from './outcome.js';
import { serverNames } from './servers.js';

/** What a plain terminal surely has. */
const columns = 100;
const indent = ' '.repeat(7);

/** A group's title, and for each request a line with the reason below it. */
export function renderGroup(title: string, outcomes: readonly Outcome[], widths: Widths): readonly string[] {
  return ['', title, ...outcomes.flatMap((outcome) => renderOutcome(outcome, widths))];
}

export interface Widths {
  readonly who: number;
  readonly path: number;
}

/** What the columns are, above all groups. */
export function renderHeader(widths: Widths): readonly string[] {
  return ['', `${indent}${'WHO'.padEnd(widths.who)}  ${'PATH'.padEnd(widths.path)}  SERVER`];
}

/** The same for all groups, so that their columns stand below each other. */
export function widthsOf(groups: readonly CaseGroup[]): Widths {
  const cases = groups.flatMap((group) => group.cases);
  return {
    who: Math.max(...cases.map(({ caller }) => caller.label.length)),
    path: Math.max(...cases.map(({ path }) => path.length)),
  };
}

function renderOutcome(outcome: Outcome, widths: Widths): readonly string[] {
  const { of, status, reason } = outcome;
  const who = of.caller.label.padEnd(widths.who);
  const path = of.path.padEnd(widths.path);
  const isExpected = isAsExpected(outcome);
  return [
    `${isExpected ? '✓' : '✗'} ${status ?? '---'}  ${who}  ${path}  ${serverNames[of.server]}`,
    ...(isExpected ? [] : wrap(`expected ${of.expected}`)),
    ...wrap(reason),
    ...(of.note === undefined ? [] : wrap(`(${of.note})`)),
  ];
}

function wrap(text: string): readonly string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(/\s+/)) {
    const isFirst = line === indent;
    if (!isFirst && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = indent + word;
    } else line += isFirst ? word : ` ${word}`;
  }
  return [...lines, line];
}
