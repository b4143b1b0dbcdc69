import { isDeepStrictEqual } from 'node:util';
import { readSettled, type FilesRead } from '../../files/files-read.js';
import { KubeconfigError } from '../kubernetes-errors.js';
import { readKubeconfig, type Kubeconfig } from './kubeconfig.js';

/** A kubeconfig whose file, and every file that it names, may be replaced while it is in use. */
export class KubeconfigFile {
  /** Why the last reading failed. */
  #failure: string | undefined;
  #refreshing: Promise<Kubeconfig> | undefined;

  private constructor(
    private readonly file: string,
    private readonly onWarning: (message: string) => void,
    /** All that the last reading read, also where that failed. */
    private files: FilesRead,
    private kubeconfig: Kubeconfig,
  ) {}

  /**
   * `onWarning` is told, once each, why a later version cannot be used.
   *
   * @throws KubeconfigError
   */
  static async open(file: string, onWarning: (message: string) => void): Promise<KubeconfigFile> {
    const { files, result } = await read(file);
    if (result instanceof KubeconfigError) throw result;
    return new KubeconfigFile(file, onWarning, files, result);
  }

  /** The last that could be used; the same object as long as nothing in it is another. */
  get current(): Kubeconfig {
    return this.kubeconfig;
  }

  /** Looks whether any file has changed, and reads them again where one has. One look serves all who ask meanwhile. */
  refresh(): Promise<Kubeconfig> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(): Promise<Kubeconfig> {
    if (!(await this.files.mayHaveChanged())) return this.kubeconfig;
    const { files, result } = await read(this.file);
    this.files = files;
    if (!(result instanceof KubeconfigError)) {
      this.#failure = undefined;
      if (!isDeepStrictEqual(result, this.kubeconfig)) this.kubeconfig = result;
    } else if (result.message !== this.#failure) {
      this.#failure = result.message;
      this.onWarning(`${result.message}; the version before stays in use`);
    }
    return this.kubeconfig;
  }
}

function read(file: string) {
  return readSettled((files) =>
    readKubeconfig(file, files).catch((error: unknown) => {
      if (error instanceof KubeconfigError) return error;
      throw error;
    }),
  );
}
