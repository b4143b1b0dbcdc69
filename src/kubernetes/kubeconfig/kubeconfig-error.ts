import { oneLine } from '../../outgoing/one-line.js';

/**
 * A kubeconfig, or a file that it names, has to be mended. The message is one line, `<file>: <field> <problem>`, and
 * quotes nothing of what stands in the file: a value in the wrong place may be a key.
 */
export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError';
  readonly code = 'ERR_KUBECONFIG';

  constructor(file: string, problem: string) {
    super(`${oneLine(file, 4096)}: ${problem}`);
  }
}
