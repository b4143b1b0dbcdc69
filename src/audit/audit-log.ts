import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { tell } from '../tell.js';
import { codedError } from '../coded-error.js';
import { systemCode } from '../error-class.js';
import type { AuditSink } from './audit-event.js';
import { auditLine } from './audit-line.js';
import { BlockingWriter, BatchWriter, type LineWriter, type LineWriterObserver } from './line-writers.js';
import { LogFile, type LogDestination, type Retention } from './log-file.js';
import { aText, checkOptions, oneOf, optional } from '../option-checks.js';

/** An audit log that cannot be written; the message names the file and the system's code for the fault. */
class AuditLogError extends codedError('AuditLogError', 'ERR_AUDIT_LOG') {}

/** By default at most 100 old files are kept, for 366 days, as by kube-apiserver. */
export interface AuditLogOptions extends Partial<Retention> {
  /** A file, or `-` for standard output. */
  readonly path: string;
  /**
   * `batch` (default): events wait in memory and are written a few times a second; what cannot be written is dropped,
   * and no request waits. `blocking`: each event is written before the process does anything else.
   */
  readonly mode?: 'batch' | 'blocking';
  /** Size at which the file is rotated (MiB); default 100; 0: never. */
  readonly maxSizeMebibytes?: number;
  /** How many events may wait in batch mode before more are dropped; default 10,000, and at most 16 MiB. */
  readonly bufferSize?: number;
  readonly observer?: AuditLogObserver;
}

/** Listens to what happens to events; if it throws, a warning says so and the log continues. */
export interface AuditLogObserver extends LineWriterObserver {
  readonly onEvent?: () => void;
}

/** Writes audit events as kube-apiserver's log backend does. Give its `write` to `onAuditEvent`. */
export class AuditLog {
  readonly #writer: LineWriter;
  readonly #observer: AuditLogObserver;

  /** @throws AuditLogError when the file cannot be written to. */
  constructor(options: AuditLogOptions) {
    checkOptions(options, { path: aText, mode: optional(oneOf('batch', 'blocking')) });
    const { mode = 'batch', bufferSize: maxLines = 10_000, observer = {} } = options;
    const destination = destinationOf(options);
    this.#observer = observer;
    this.#writer =
      mode === 'batch'
        ? new BatchWriter(destination, observer, { maxLines })
        : new BlockingWriter(destination, observer);
  }

  readonly write: AuditSink = (event) => {
    tell('AuditLog', this.#observer.onEvent);
    this.#writer.write(auditLine(event));
  };

  /** Writes the waiting events, for two seconds at most; later events are lost. */
  close(): Promise<void> {
    return this.#writer.close();
  }
}

function destinationOf(options: AuditLogOptions): LogDestination {
  const { path, maxAgeDays = 366, maxBackups = 100, maxSizeMebibytes = 100 } = options;
  if (path === '-') return standardOutput();
  try {
    return new LogFile({ path, maxAgeDays, maxBackups, maxBytes: maxSizeMebibytes * 1024 * 1024 });
  } catch (error) {
    throw new AuditLogError(`${path} cannot be written to: ${systemCode(error)}`, { cause: error });
  }
}

const standardOutputDescriptor = 1;

/** A stream that can be neither rotated nor reopened. */
function standardOutput(): LogDestination {
  const own = reopenedPipe();
  const ignore = (): void => undefined;
  return {
    ready: () => ({ descriptor: own ?? standardOutputDescriptor, isAnother: false }),
    wrote: ignore,
    abandon: ignore,
    close: () => {
      if (own !== undefined) closeSync(own);
    },
  };
}

/**
 * A pipe is opened again without blocking, so that an unread one holds up nothing. The descriptor itself is not changed:
 * others share it and do not expect non-blocking writes.
 */
function reopenedPipe(): number | undefined {
  try {
    if (!fstatSync(standardOutputDescriptor).isFIFO()) return undefined;
    return openSync('/dev/stdout', constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}
