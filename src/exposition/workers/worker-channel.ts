import { WorkersError } from '../exposition-errors.js';

/** A process at the other end of an IPC channel: a worker of `cluster`, a forked one, or `process` itself. */
interface ProcessChannel {
  readonly send?: ((message: object, callback: (error: Error | null) => void) => boolean) | undefined;
  on(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
}

/** A thread at the other end of a port: a Worker of `node:worker_threads`, or a MessagePort. */
interface ThreadChannel {
  postMessage(message: object): void;
  on(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
}

export type WorkerChannel = ProcessChannel | ThreadChannel;

/** What goes over a channel is also used by others: a listener takes only what it knows. */
export interface Line {
  /** Never throws: what cannot be sent is lost, as if the other end were gone. */
  send(message: object): void;
  /** Stops listening; idempotent. */
  close(): void;
}

interface LineListeners {
  readonly onMessage: (message: unknown) => void;
  /** The other end is gone; called once. */
  readonly onGone: () => void;
}

/** Events that say that the other end is gone, of whatever kind of channel. */
const ends = ['disconnect', 'exit', 'close'] as const;

/** @throws WorkersError where it is no channel. */
export function openLine(channel: WorkerChannel, { onMessage, onGone }: LineListeners): Line {
  const send = sender(channel);
  let isOpen = true;
  const close = (): void => {
    isOpen = false;
    channel.off('message', onMessage);
    for (const end of ends) channel.off(end, gone);
  };
  const gone = (): void => {
    if (!isOpen) return;
    close();
    onGone();
  };
  channel.on('message', onMessage);
  for (const end of ends) channel.on(end, gone);
  return {
    send: (message) => {
      if (isOpen) send(message);
    },
    close,
  };
}

function sender(channel: WorkerChannel): (message: object) => void {
  // No class is asked for: a MessagePort is no EventEmitter, but has its methods.
  const hasEvents = typeof channel.on === 'function';
  if (hasEvents && 'postMessage' in channel && typeof channel.postMessage === 'function') {
    return (message) => {
      channel.postMessage(message);
    };
  }
  if (hasEvents && 'send' in channel && typeof channel.send === 'function') {
    return (message) => {
      try {
        channel.send?.(message, () => undefined);
      } catch {
        // Closed meanwhile; its event is on the way.
      }
    };
  }
  throw new WorkersError('pass a worker of node:cluster or node:worker_threads, or a MessagePort');
}
