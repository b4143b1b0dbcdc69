import { isDeepStrictEqual } from 'node:util';
import { FilesRead } from '../../files/files-read.js';
import { readKubeconfig, type Kubeconfig } from './kubeconfig.js';
import { KubeconfigError } from '../kubernetes-errors.js';

interface Reading {
  /** All that it was read from, also where that failed. */
  readonly files: FilesRead;
  readonly outcome: Kubeconfig | KubeconfigError;
}

/** A kubeconfig whose file, and every file that it names, may be replaced while it is in use. */
export class KubeconfigFile {
  #files: FilesRead;
  #current: Kubeconfig;
  /** Why the last reading failed. */
  #failure: string | undefined;
  #refreshing: Promise<Kubeconfig> | undefined;

  private constructor(
    private readonly file: string,
    private readonly onWarning: (message: string) => void,
    first: { readonly files: FilesRead; readonly kubeconfig: Kubeconfig },
  ) {
    this.#files = first.files;
    this.#current = first.kubeconfig;
  }

  /**
   * `onWarning` is told, once each, why a later version cannot be used.
   *
   * @throws KubeconfigError
   */
  static async open(file: string, onWarning: (message: string) => void): Promise<KubeconfigFile> {
    const { files, outcome } = await read(file);
    if (outcome instanceof KubeconfigError) throw outcome;
    return new KubeconfigFile(file, onWarning, { files, kubeconfig: outcome });
  }

  /** The last that could be used; the same object as long as nothing in it is another. */
  get current(): Kubeconfig {
    return this.#current;
  }

  /** Looks whether any file has changed, and reads them anew where one has. One look serves all who ask meanwhile. */
  refresh(): Promise<Kubeconfig> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(): Promise<Kubeconfig> {
    if (!(await this.#files.mayHaveChanged())) return this.#current;
    const { files, outcome } = await read(this.file);
    this.#files = files;
    if (outcome instanceof KubeconfigError) this.#keepCurrent(outcome.message);
    else {
      this.#failure = undefined;
      if (!isDeepStrictEqual(outcome, this.#current)) this.#current = outcome;
    }
    return this.#current;
  }

  #keepCurrent(failure: string): void {
    if (failure === this.#failure) return;
    this.#failure = failure;
    this.onWarning(`${failure}; the version before stays in use`);
  }
}

const maxAttempts = 5;

/** What fails is read again where a file changed meanwhile: a certificate's key may be on its way. */
async function read(file: string): Promise<Reading> {
  for (let attempt = 1; ; attempt += 1) {
    const files = new FilesRead();
    const outcome = await readKubeconfig(file, files).catch((error: unknown) => {
      if (error instanceof KubeconfigError) return error;
      throw error;
    });
    const isFinal = !(outcome instanceof KubeconfigError) || attempt === maxAttempts;
    if (isFinal || !(await files.haveChanged())) return { files, outcome };
  }
}
