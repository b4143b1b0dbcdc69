import { codedError } from '../coded-error.js';
import { errorClass } from '../error-class.js';
import { oneLine } from '../documents/one-line.js';
import { ApiConnectionError, ApiContentError, ApiStatusError } from '../outgoing/outgoing-errors.js';

/**
 * An invalid kubeconfig, or a file that it names. The message is one line, `<file>: <problem>` or
 * `<file>:<line>: <problem>`, and quotes nothing of the file: a misplaced value may be a key.
 */
export class KubeconfigError extends codedError('KubeconfigError', 'ERR_KUBECONFIG') {
  constructor(file: string, problem: string) {
    super(`${oneLine(file, 4096)}: ${problem}`);
  }
}

/** A kubeconfig needs the package `@kubernetes/client-node`, which is an optional dependency and not installed. */
export class KubernetesClientMissingError extends codedError(
  'KubernetesClientMissingError',
  'ERR_KUBERNETES_CLIENT_MISSING',
) {
  constructor() {
    super(
      'a kubeconfig needs the package @kubernetes/client-node, which is not installed: npm install @kubernetes/client-node',
    );
  }
}

/** The plugin provided no credential. The message quotes nothing of its output, which may be a token. */
export class ExecPluginError extends codedError('ExecPluginError', 'ERR_EXEC_PLUGIN') {}

/** Malformed data from a server. The message is one line. */
export class MalformedError extends codedError('MalformedError', 'ERR_MALFORMED') {}

/** Why a list or a watch failed; each is a value of a metric's label. */
export type ReflectorFault =
  /** The resourceVersion is no longer known (410), or may belong to another server or another history. */
  | 'expired'
  /** The connection failed or broke. */
  | 'connection'
  /** The server was silent for longer than it promised. */
  | 'stalled'
  /** 401 or 403. */
  | 'refused'
  /** 429. */
  | 'throttled'
  /** Any other status that is not a success. */
  | 'status'
  /** An unreadable line, event or object, or one that is too large. */
  | 'malformed';

/** Why a list or a watch failed. The message is one line, for the operator. */
export class ReflectorFailure extends codedError('ReflectorFailure', 'ERR_REFLECTOR') {
  constructor(
    readonly fault: ReflectorFault,
    message: string,
    /** If the server answered. */
    readonly status?: number,
    /** How long the server asks clients to wait (ms). */
    readonly retryAfterMs?: number,
    /** Whether an ERROR event of a watch told it, after the watch itself had begun. */
    readonly isEvent = false,
  ) {
    super(message);
  }
}

export function failureOf(error: unknown): ReflectorFailure {
  if (error instanceof ReflectorFailure) return error;
  if (error instanceof MalformedError) return new ReflectorFailure('malformed', error.message);
  if (error instanceof ApiConnectionError) return new ReflectorFailure('connection', error.message);
  return new ReflectorFailure('connection', `failed with ${errorClass(error)}`);
}

type ReviewFailure =
  /** No answer in time, or a status of 429 or of 500 and above. */
  | 'unavailable'
  /** Another status that is not a success. */
  | 'refused'
  /** A success that does not answer the question. */
  | 'malformed'
  /** Not asked: the limit of simultaneous questions is reached. */
  | 'overload'
  /** Not asked: an earlier question has just found the reviewer down. */
  | 'outage'
  /** Not asked, or aborted: the client is closed. */
  | 'closed';

/**
 * A reviewer did not answer. The message is one line for the operator and contains the server's own reason, which may
 * quote the question: a caller that asked about a secret must remove that.
 */
export class ReviewError extends codedError('ReviewError', 'ERR_REVIEW') {
  constructor(
    readonly failure: ReviewFailure,
    message: string,
    /** The message without any text from the answer. */
    readonly summary = message,
    /** How long the server asks clients to wait (ms). */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/** Why a request to a reviewer has failed. */
export function reviewError(server: string, error: unknown): ReviewError {
  if (error instanceof ReviewError) return error;
  if (error instanceof ApiConnectionError) return new ReviewError('unavailable', error.message);
  if (error instanceof ApiContentError) return new ReviewError('malformed', error.message);
  if (error instanceof ApiStatusError) {
    const { status, message, retryAfterMs } = error;
    const failure = status === 429 || status >= 500 ? 'unavailable' : 'refused';
    const summary = `${server}: answered ${status}`;
    return new ReviewError(failure, `${summary}: ${message}`, summary, retryAfterMs);
  }
  // An unknown error is not quoted.
  return new ReviewError('unavailable', `${server}: the request failed`);
}
