import { X509Certificate } from 'node:crypto';
import { FollowedFiles, type FileContent, type ReloadResult } from '../files/followed-files.js';
import { certificateBlocks } from '../files/pem.js';
import type { ExpiringCertificate } from '../telemetry/server-metrics.js';
import type { Option } from './option.js';
import { UsageError, usageError } from './usage-error.js';

/** What the files that options name say while a server runs. */
export class FollowedOptionFiles {
  readonly #opened: FollowedFiles<unknown>[] = [];
  readonly #certificates: ExpiringCertificate[] = [];

  /**
   * `onReload` is told of each change, and once of each that cannot be used; `onFollowed` of the option's name, before
   * there is any.
   */
  constructor(
    private readonly onReload?: (flag: string, result: ReloadResult) => void,
    private readonly onFollowed?: (flag: string) => void,
  ) {}

  /** `parse` throws for what cannot be used, and names the file. @throws UsageError naming the option. */
  async open<Value>(
    { name, file }: Option,
    files: readonly string[],
    parse: (contents: readonly FileContent[]) => Value | Promise<Value>,
  ): Promise<{ readonly current: Value }> {
    if (file?.followed !== true) throw new RangeError(`${name} is not declared as followed`);
    try {
      const followed = await FollowedFiles.open({
        files,
        parse,
        onReload: (result) => {
          this.onReload?.(name, result);
        },
      });
      this.#opened.push(followed);
      this.onFollowed?.(name);
      return followed;
    } catch (error) {
      // One that names another option knows better.
      throw error instanceof UsageError ? error : usageError(name, error);
    }
  }

  /** The same of one file's text. */
  openOne<Value>(
    option: Option,
    file: string,
    parse: (text: string, file: string) => Value | Promise<Value>,
  ): Promise<{ readonly current: Value }> {
    return this.open(option, [file], ([content]) => parse(content?.bytes.toString('utf8') ?? '', file));
  }

  /** Has the certificates in a PEM text that is followed, and may change, shown with when they expire. */
  addCertificates({ name }: Option, file: string, pemNow: () => string): void {
    this.#certificates.push({ flag: name, file, expiresAt: expiryOf(pemNow) });
  }

  /** All that were added. */
  get certificates(): readonly ExpiringCertificate[] {
    return this.#certificates;
  }

  close(): void {
    for (const followed of this.#opened.splice(0)) followed.close();
  }
}

/** The same as `make`; what it throws names the file. */
export function blamingFile<Value>(file: string, make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/**
 * When the first certificate of a PEM text that may change expires (ms since the epoch); undefined where none can be
 * read. The text is read again only when it is another.
 */
export function expiryOf(pemNow: () => string): () => number | undefined {
  let read: { readonly pem: string; readonly earliest: number | undefined } | undefined;
  return () => {
    const pem = pemNow();
    if (read?.pem !== pem) read = { pem, earliest: earliestExpiryIn(pem) };
    return read.earliest;
  };
}

function earliestExpiryIn(text: string): number | undefined {
  const expiries = certificateBlocks(text).flatMap(({ pem }) => {
    try {
      return [Date.parse(new X509Certificate(pem).validTo)];
    } catch {
      return [];
    }
  });
  return expiries.length === 0 ? undefined : Math.min(...expiries);
}
