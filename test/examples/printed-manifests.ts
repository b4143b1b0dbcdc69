import { run } from '../../src/cli/program.js';

/** What `kcp-metrics-filter manifests …` prints, as a file has it. Throws where it fails. */
export async function printedManifests(...args: readonly string[]): Promise<string> {
  const lines: string[] = [];
  const fail = (line: string): void => {
    throw new Error(line);
  };
  await run(['manifests', ...args], {
    print: (line) => lines.push(line),
    printError: fail,
    stopRequested: () => Promise.resolve(),
  });
  return `${lines.join('\n')}\n`;
}
