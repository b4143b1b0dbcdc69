import { spawnSync } from 'node:child_process';

/** What promtool says of an exposition in the text format. */
export interface PromtoolVerdict {
  /** Whether Prometheus' own parser of the text format reads it whole. */
  readonly isReadable: boolean;
  /** Of its names and units: matters of taste, each a line. */
  readonly remarks: readonly string[];
}

export function promtoolOn(exposition: Uint8Array | string): PromtoolVerdict {
  const { status, stdout, stderr, error } = spawnSync('promtool', ['check', 'metrics'], {
    input: exposition,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  // 3: it reads it, and has remarks.
  return {
    isReadable: status === 0 || status === 3,
    remarks: `${stdout}${stderr}`.split('\n').filter((line) => line !== ''),
  };
}
