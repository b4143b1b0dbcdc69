import { checks, resultOf, type Check, type Finding, type Level } from './finding.js';

/** What a plain terminal surely has. */
const columns = 100;
const indent = ' '.repeat(4);
/** Of one check and level; all of them stand in the JSON. */
const maxRows = 20;

const marks: Readonly<Record<Level, string>> = { ok: '✓', warning: '!', error: '✗' };

const titles: Readonly<Record<Check, string>> = {
  flag: 'Flags',
  'serving-certificate': 'Serving certificate',
  'client-ca': 'Authorities of clients',
  'front-proxy-ca': 'Authorities of front proxies',
  authentication: 'Authentication',
  authorization: 'Authorization',
  'file-permissions': 'Permissions of files',
  'policy-source': "The policy's sources",
  'policy-snapshot': "The policy's snapshot",
  manifest: 'Manifests',
  'dangling-binding': 'Bindings to missing roles',
  'unreplicated-binding': 'Bindings that other shards do not get',
  'unmatched-subject': 'Subjects that never match',
  'anonymous-access': 'Access without credentials',
  scrapers: 'Who may scrape',
};

/** For people: a group for each check, then the counts. */
export function renderTable(findings: readonly Finding[]): readonly string[] {
  const groups = checks.flatMap((check) => {
    const rows = findings.filter((finding) => finding.check === check);
    return rows.length === 0 ? [] : [titles[check], ...bounded(rows).flatMap(renderRow), ''];
  });
  return [...groups, countsOf(findings)];
}

/** For programs: one JSON document. */
export function renderJson(findings: readonly Finding[]): string {
  return JSON.stringify({ result: resultOf(findings), findings }, undefined, 2);
}

type Row = Finding | { readonly level: Level; readonly more: number };

/** A policy may have a hundred thousand bindings, and the same fault in each. */
function bounded(findings: readonly Finding[]): readonly Row[] {
  const shown = new Map<Level, number>();
  const rows = findings.filter(({ level }) => {
    const count = (shown.get(level) ?? 0) + 1;
    shown.set(level, count);
    return count <= maxRows;
  });
  const rest = [...shown].flatMap(([level, count]): readonly Row[] =>
    count > maxRows ? [{ level, more: count - maxRows }] : [],
  );
  return [...rows, ...rest];
}

function renderRow(row: Row): readonly string[] {
  const text =
    'more' in row ? `and ${row.more} more: -o json has all of them` : `${row.subject}: ${row.message}`;
  return wrap(`${marks[row.level]} `, text);
}

function countsOf(findings: readonly Finding[]): string {
  const count = (level: Level): number => findings.filter((finding) => finding.level === level).length;
  const [errors, warnings, fine] = [count('error'), count('warning'), count('ok')];
  return `${amount(errors, 'error')}, ${amount(warnings, 'warning')}, ${fine} fine.`;
}

function amount(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function wrap(mark: string, text: string): readonly string[] {
  const lines: string[] = [];
  let line = mark;
  let isFirst = true;
  for (const word of text.split(/\s+/)) {
    if (!isFirst && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = indent + word;
    } else line += isFirst ? word : ` ${word}`;
    isFirst = false;
  }
  return [...lines, line];
}
