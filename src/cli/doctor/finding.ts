import { oneLine } from '../../documents/one-line.js';
import { wrap } from '../wrap.js';

/** `error`: start would fail, or no client could be served. */
export type Level = 'ok' | 'warning' | 'error';

const titles = {
  flag: 'Flags',
  'serving-certificate': 'Serving certificate',
  'client-ca': 'CAs of clients',
  'front-proxy-ca': 'CAs of front proxies',
  authentication: 'Authentication',
  authorization: 'Authorization',
  'file-permissions': 'File permissions',
  'policy-source': "The policy's sources",
  'virtual-cluster': "The virtual cluster's host",
  'policy-snapshot': "The policy's snapshot",
  manifest: 'Manifests',
  'dangling-binding': 'Bindings to missing roles',
  'unreplicated-binding': 'Bindings that are not replicated to other shards',
  'unmatched-subject': 'Subjects that never match',
  'anonymous-access': 'Access without credentials',
  scrapers: 'Who may scrape',
} as const;

export type Check = keyof typeof titles;

/** All checks, in the order of the report. Their names are stable, for programs. */
export const checks = Object.keys(titles) as readonly Check[];

/** The result of one check. Contains no secret. */
export interface Finding {
  readonly level: Level;
  readonly check: Check;
  /** The flag, file or object it is about. */
  readonly subject: string;
  /** One line: what was found and, unless ok, what to do. */
  readonly message: string;
}

const maxSubject = 1024;
const maxMessage = 4096;

/** Subject and message may contain foreign names, so control characters are removed and both become one line. */
export function finding(level: Level, check: Check, subject: string, message: string): Finding {
  return { level, check, subject: oneLine(subject, maxSubject), message: oneLine(message, maxMessage) };
}

export function about(check: Check, subject: string): (level: Level, message: string) => Finding {
  return (level, message) => finding(level, check, subject, message);
}

export function those(...rows: readonly (readonly [holds: boolean, words: string])[]): readonly string[] {
  return rows.flatMap(([holds, words]) => (holds ? [words] : []));
}

/** A message without the leading flag or file (`file: …`, `file:line: …`) that the subject already names. */
export function withoutSubject(message: string, named: string): string {
  if (!message.startsWith(named)) return message;
  const [, line, rest] = /^(?::(\d+))?: (.*)$/s.exec(message.slice(named.length)) ?? [];
  if (rest === undefined) return message;
  return line === undefined ? rest : `line ${line}: ${rest}`;
}

export function resultOf(findings: readonly Finding[]): 'ok' | 'warnings' | 'errors' {
  if (findings.some(({ level }) => level === 'error')) return 'errors';
  return findings.some(({ level }) => level === 'warning') ? 'warnings' : 'ok';
}

/** For programs: one JSON document. */
export function renderJson(findings: readonly Finding[]): string {
  return JSON.stringify({ result: resultOf(findings), findings }, undefined, 2);
}

const indent = ' '.repeat(4);
/** Limit per check and level, since many bindings may have the same fault. The JSON lists all. */
const maxRows = 20;
const marks: Readonly<Record<Level, string>> = { ok: '✓', warning: '!', error: '✗' };

/** For people: a group for each check, then the counts. */
export function renderTable(findings: readonly Finding[]): readonly string[] {
  const groups = checks.flatMap((check) => {
    const rows = findings.filter((found) => found.check === check);
    return rows.length === 0 ? [] : [titles[check], ...renderRows(rows), ''];
  });
  const count = (level: Level): number => findings.filter((found) => found.level === level).length;
  const amount = (level: Level): string => `${count(level)} ${level}${count(level) === 1 ? '' : 's'}`;
  return [...groups, `${amount('error')}, ${amount('warning')}, ${count('ok')} fine.`];
}

function renderRows(findings: readonly Finding[]): readonly string[] {
  const seen = new Map<Level, number>();
  const rows = findings.flatMap(({ level, subject, message }) => {
    const count = (seen.get(level) ?? 0) + 1;
    seen.set(level, count);
    return count > maxRows ? [] : wrap(`${subject}: ${message}`, indent, `${marks[level]} `);
  });
  const rest = [...seen].flatMap(([level, count]) =>
    count > maxRows
      ? wrap(`and ${count - maxRows} more: -o json has all of them`, indent, `${marks[level]} `)
      : [],
  );
  return [...rows, ...rest];
}
