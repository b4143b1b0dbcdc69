import { oneLine } from '../../outgoing/one-line.js';

/** `error`: a start would fail, or nobody could be served. */
export type Level = 'ok' | 'warning' | 'error';

/** What is looked at, in the order in which it is told of. The words stay the same, for programs. */
export const checks = [
  'flag',
  'serving-certificate',
  'client-ca',
  'front-proxy-ca',
  'authentication',
  'authorization',
  'file-permissions',
  'policy-source',
  'policy-snapshot',
  'manifest',
  'dangling-binding',
  'unreplicated-binding',
  'unmatched-subject',
  'anonymous-access',
  'scrapers',
] as const;

export type Check = (typeof checks)[number];

/** One thing that was looked at. Holds no secret. */
export interface Finding {
  readonly level: Level;
  readonly check: Check;
  /** The flag, file or object it is about. */
  readonly subject: string;
  /** One line: what was found and, unless all is well, what to do. */
  readonly message: string;
}

export type Result = 'ok' | 'warnings' | 'errors';

/** Subject and message may hold names from elsewhere: they become one line without control characters. */
export function finding(level: Level, check: Check, subject: string, message: string): Finding {
  return { level, check, subject: oneLine(subject, maxSubject), message: oneLine(message, maxMessage) };
}

/** A message of the file's reader, whose name the subject has already: `file: …` or `file:line: …`. */
export function withoutFileName(message: string, file: string): string {
  if (!message.startsWith(file)) return message;
  const [, line, rest] = /^(?::(\d+))?: (.*)$/s.exec(message.slice(file.length)) ?? [];
  if (rest === undefined) return message;
  return line === undefined ? rest : `line ${line}: ${rest}`;
}

const maxSubject = 1024;
const maxMessage = 4096;

/** The worst of all. */
export function resultOf(findings: readonly Finding[]): Result {
  const has = (level: Level): boolean => findings.some((candidate) => candidate.level === level);
  if (has('error')) return 'errors';
  return has('warning') ? 'warnings' : 'ok';
}
