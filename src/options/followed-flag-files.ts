import { FollowedFiles, type FileContent, type ReloadResult } from '../files/followed-files.js';
import { expiryOf } from './certificate-expiry.js';
import type { Flag } from './flags.js';
import { UsageError, usageError } from './usage-error.js';
import type { ExpiringCertificate } from '../telemetry/server-metrics.js';

/** What a running server's files say, each named by its flag. */
export class FollowedFlagFiles {
  readonly #onReload: (flag: string, result: ReloadResult) => void;
  readonly #onFollowed: (flag: string) => void;
  readonly #opened: FollowedFiles<unknown>[] = [];
  readonly #certificates: ExpiringCertificate[] = [];

  /**
   * `onReload` is told of each change, and once of each that cannot be used; `onFollowed` of the flag, before there is
   * any.
   */
  constructor(
    onReload: (flag: string, result: ReloadResult) => void = () => undefined,
    onFollowed: (flag: string) => void = () => undefined,
  ) {
    this.#onReload = onReload;
    this.#onFollowed = onFollowed;
  }

  /** `parse` throws for what cannot be used, and names the file. @throws UsageError naming the flag. */
  async open<Value>(
    flag: Flag,
    files: readonly string[],
    parse: (contents: readonly FileContent[]) => Value | Promise<Value>,
  ): Promise<{ readonly current: Value }> {
    try {
      const followed = await FollowedFiles.open({
        files,
        parse,
        onReload: (result) => {
          this.#onReload(flag.name, result);
        },
      });
      this.#opened.push(followed);
      this.#onFollowed(flag.name);
      return followed;
    } catch (error) {
      // One that names another flag knows better.
      throw error instanceof UsageError ? error : usageError(flag.name, error);
    }
  }

  /** Has the certificates in a PEM text that is followed, and may change, shown with when they expire. */
  addCertificates(flag: Flag, file: string, pemNow: () => string): void {
    this.#certificates.push({ flag: flag.name, file, expiresAt: expiryOf(pemNow) });
  }

  /** All that were added. */
  get certificates(): readonly ExpiringCertificate[] {
    return this.#certificates;
  }

  close(): void {
    for (const followed of this.#opened.splice(0)) followed.close();
  }
}

/** `parse` for the text of a single file. */
export function ofOneFile<Value>(
  parse: (text: string, file: string) => Value,
): (contents: readonly FileContent[]) => Value {
  return ([content]) => {
    if (content === undefined) throw new RangeError('one file is needed');
    return parse(content.bytes.toString('utf8'), content.file);
  };
}

/** The same as `make`; what it throws names the file. */
export function blamingFile<Value>(file: string, make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
