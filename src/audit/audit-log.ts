import { errorClass } from '../error-class.js';
import { auditLine } from './audit-line.js';
import type { AuditSink } from './audit-event.js';
import { AuditLogError, faultOf } from './audit-log-error.js';
import { BatchWriter } from './batch-writer.js';
import { BlockingWriter } from './blocking-writer.js';
import { LogFile, type LogDestination } from './log-file.js';
import type { LineWriter, LineWriterObserver } from './line-writer.js';
import type { Retention } from './rotated-files.js';
import { StandardOutput } from './standard-output.js';

/** Old files stay for 366 days and are 100 at most, as kube-apiserver's, where nothing else is said. */
export interface AuditLogOptions extends Partial<Retention> {
  /** A file, or `-` for standard output. */
  readonly path: string;
  /**
   * `batch` (default): events wait in memory and are written a few times a second; what the file does not take is
   * dropped, and nobody waits. `blocking`: each is with the operating system before the process does anything else.
   */
  readonly mode?: 'batch' | 'blocking';
  /** Size at which the file is rotated (MiB); default 100; 0: never. */
  readonly maxSizeMebibytes?: number;
  /** How many events wait in batch mode before more are dropped; default 10,000. They never hold over 16 MiB. */
  readonly bufferSize?: number;
  readonly observer?: AuditLogObserver;
}

/** Told of what becomes of events; where it throws, a warning says so, and the log goes on. */
export interface AuditLogObserver extends Partial<LineWriterObserver> {
  /** An event has come. */
  readonly onEvent?: () => void;
}

const mebibyte = 1024 * 1024;

/** Writes audit events as kube-apiserver's log backend does. Give its `write` to `onAuditEvent`. */
export class AuditLog {
  readonly #writer: LineWriter;
  readonly #onEvent: () => void;

  /** @throws AuditLogError when the file cannot be written to. */
  constructor(options: AuditLogOptions) {
    const { mode = 'batch', bufferSize = 10_000, observer = {} } = options;
    const { onEvent, onLost, onOutage, onRecovery } = observer;
    const told: LineWriterObserver = {
      onLost: (count, plugin) => {
        tell(() => onLost?.(count, plugin));
      },
      onOutage: (why) => {
        tell(() => onOutage?.(why));
      },
      onRecovery: () => {
        tell(() => onRecovery?.());
      },
    };
    const destination = destinationOf(options);
    this.#onEvent = () => {
      tell(() => onEvent?.());
    };
    this.#writer =
      mode === 'batch'
        ? new BatchWriter(destination, told, { maxLines: bufferSize })
        : new BlockingWriter(destination, told);
  }

  readonly write: AuditSink = (event) => {
    this.#onEvent();
    this.#writer.write(auditLine(event));
  };

  /** Writes out what waits, for two seconds at most; later events are lost. */
  close(): Promise<void> {
    return this.#writer.close();
  }
}

function tell(observer: () => void): void {
  try {
    observer();
  } catch (error) {
    process.emitWarning(`audit log: an observer failed: ${errorClass(error)}`);
  }
}

function destinationOf(options: AuditLogOptions): LogDestination {
  const { path, maxAgeDays = 366, maxBackups = 100, maxSizeMebibytes = 100 } = options;
  if (path === '-') return new StandardOutput();
  try {
    return new LogFile({ path, maxAgeDays, maxBackups, maxBytes: maxSizeMebibytes * mebibyte });
  } catch (error) {
    throw new AuditLogError(`${path} cannot be written to: ${faultOf(error)}`, { cause: error });
  }
}
