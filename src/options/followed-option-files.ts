import { X509Certificate } from 'node:crypto';
import { FollowedFiles, type FileContent, type ReloadResult } from '../files/followed-files.js';
import { certificateBlocks } from '../files/pem.js';
import { presentOnly } from '../present-only.js';
import type { CertificateStatus } from '../telemetry/server-metrics.js';
import type { Option } from './option.js';
import { UsageError, usageError } from './usage-error.js';

/** The files named by options, followed while a server runs. */
export class FollowedOptionFiles {
  readonly #opened: FollowedFiles<unknown>[] = [];
  readonly #certificates: CertificateStatus[] = [];

  /**
   * `onReload` is called for each change, and once for each that cannot be used; `onFollowed` with the option's name
   * before any change.
   */
  constructor(
    private readonly onReload?: (flag: string, result: ReloadResult) => void,
    private readonly onFollowed?: (flag: string) => void,
  ) {}

  /**
   * `parse` throws for what cannot be used, and names the file; for `isUnsettled` see `FollowedFiles`.
   * @throws UsageError naming the option.
   */
  async open<Value>(
    { name, file }: Option,
    files: readonly string[],
    parse: (contents: readonly FileContent[]) => Value | Promise<Value>,
    isUnsettled?: (error: unknown) => boolean,
  ): Promise<{ readonly current: Value }> {
    if (file?.followed !== true) throw new RangeError(`${name} is not declared as followed`);
    try {
      const followed = await FollowedFiles.open({
        files,
        parse,
        ...presentOnly({ isUnsettled }),
        onReload: (result) => {
          this.onReload?.(name, result);
        },
      });
      this.#opened.push(followed);
      this.onFollowed?.(name);
      return followed;
    } catch (error) {
      // A UsageError already names the option at fault.
      throw error instanceof UsageError ? error : usageError(name, error);
    }
  }

  /** The same for one file's text. */
  openOne<Value>(
    option: Option,
    file: string,
    parse: (text: string, file: string) => Value | Promise<Value>,
  ): Promise<{ readonly current: Value }> {
    return this.open(option, [file], ([content]) => parse(content?.bytes.toString('utf8') ?? '', file));
  }

  /** Adds the certificates of a followed PEM file to those whose expiry is reported. */
  addCertificates({ name }: Option, file: string, pemNow: () => string): void {
    const expiresAt = expiryOf(pemNow);
    this.#certificates.push({
      flag: name,
      file,
      get expiresAt() {
        return expiresAt();
      },
    });
  }

  get certificates(): readonly CertificateStatus[] {
    return this.#certificates;
  }

  close(): void {
    for (const followed of this.#opened.splice(0)) followed.close();
  }
}

/** Runs `make`; its error then names the file. */
export function blamingFile<Value>(file: string, make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/**
 * The earliest expiry of the certificates in a PEM text that may change (ms since the epoch); undefined if none can be
 * read. An unchanged text is not parsed again.
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
