/** Writes lines, each of which ends itself. */
export interface LineWriter {
  /** Never throws. */
  write(line: string): void;
  /** Resolves when what waits is written out, or lost. */
  close(): Promise<void>;
}

/** Where lines get lost, by kube-apiserver's names: the file did not take them, or the buffer was full. */
export type LosingPlugin = 'log' | 'buffered';

export interface LineWriterObserver {
  readonly onLost: (count: number, plugin: LosingPlugin) => void;
  /** Lines cannot be written, and wait or get lost. Told once, until `onRecovery`. */
  readonly onOutage: (why: string) => void;
  readonly onRecovery: () => void;
}
