import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import type { LogDestination } from './log-file.js';

const standardOutput = 1;

/** Standard output. A pipe is opened once more, so that one that nobody reads keeps nothing waiting. */
export class StandardOutput implements LogDestination {
  readonly #own: number | undefined = pipeOpenedAnew();

  ready(): { readonly descriptor: number; readonly isAnother: boolean } {
    return { descriptor: this.#own ?? standardOutput, isAnother: false };
  }

  wrote(): void {
    // There is nothing to rotate.
  }

  abandon(): void {
    // There is nothing to open anew.
  }

  close(): void {
    if (this.#own !== undefined) closeSync(this.#own);
  }
}

/** Not the descriptor itself: others share it, who do not expect that a write may have to be repeated. */
function pipeOpenedAnew(): number | undefined {
  try {
    if (!fstatSync(standardOutput).isFIFO()) return undefined;
    return openSync('/dev/stdout', constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}
