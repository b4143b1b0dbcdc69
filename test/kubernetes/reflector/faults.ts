import type { Answer } from './scripted-api-server.js';

/** What a server does, and what becomes of it. */
export interface Fault {
  /** The server's answers, one request after the other; then an open watch that says nothing. */
  readonly answers: readonly Answer[];
  /** What the sink is told. */
  readonly calls: readonly string[];
  /** What the observer is told. */
  readonly reports: readonly string[];
  readonly requests: readonly string[];
}
