import { readdirSync, readFileSync } from 'node:fs';

export interface Sample {
  readonly at: number;
  readonly residentMebibytes: number;
  readonly descriptors: number;
  /** Since they were started (ms). */
  readonly processorMs: number;
}

/** What a process and its children hold now, as Linux tells it. */
export function sampleOf(pid: number): Sample {
  let residentMebibytes = 0;
  let descriptors = 0;
  let processorMs = 0;
  for (const each of [pid, ...childrenOf(pid)]) {
    const status = readFileSync(`/proc/${each}/status`, 'utf8');
    residentMebibytes += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024;
    descriptors += readdirSync(`/proc/${each}/fd`).length;
    // Behind the name, which may hold anything: user and system time in hundredths of a second (proc(5), 14 and 15).
    const stat = readFileSync(`/proc/${each}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    processorMs += 10 * (Number(stat[11]) + Number(stat[12]));
  }
  return { at: performance.now(), residentMebibytes, descriptors, processorMs };
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter((child) => child.trim() !== '')
    .map(Number);
}

/** Of a second, how much the processors were busy with it (%). */
export function load(samples: readonly Sample[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return NaN;
  return (100 * (last.processorMs - first.processorMs)) / (last.at - first.at);
}

/** A sample each second until `stop()`. */
export class Samples {
  readonly all: Sample[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      this.all.push(sampleOf(pid));
    }, 1_000);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
