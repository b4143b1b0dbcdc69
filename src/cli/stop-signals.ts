/** A process that signals come to; the tests bring their own. */
export interface SignalledProcess {
  readonly on: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void) => void;
  readonly exit: (code: number) => void;
}

/** npm and systemd may each pass the same SIGTERM on; within this time (ms) it is one. */
const sameSignalMs = 1000;

/**
 * Makes what resolves at the first signal to stop. It listens on after that: npm passes Ctrl-C on to a process that the
 * terminal has told already, and the second one must not end it before requests under way are answered and files
 * removed. But who sends SIGTERM again does not want to wait: exit code 1, at once, as kube-apiserver ends.
 */
export function stopSignals(
  { on, exit }: SignalledProcess,
  now: () => number = () => performance.now(),
): () => Promise<void> {
  return () =>
    new Promise((resolve) => {
      let terminatedAt: number | undefined;
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        on(signal, () => {
          resolve();
          if (signal !== 'SIGTERM') return;
          terminatedAt ??= now();
          if (now() - terminatedAt > sameSignalMs) exit(1);
        });
      }
    });
}
