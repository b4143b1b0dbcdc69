import { createHash } from 'node:crypto';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { runInSlices } from '../../time-slice.js';
import { ManifestError, systemCode } from '../policy-errors.js';
import { ManifestThread } from './manifest-thread.js';
import { decoded, readManifest, type Manifest } from './manifest.js';

const manifestName = /^[^.].*\.(?:ya?ml|json)$/;
const maxFileBytes = 64 * 1024 * 1024;
const maxAttempts = 10;
/** Parsed within a few milliseconds: less time than a thread takes to start. */
const maxReadHereBytes = 8 * 1024;
/** How much is hashed in one step. */
const hashedBytes = 256 * 1024;

interface DirectoryReading {
  /** In the order of the files' names. A file that did not change gives the same object again. */
  readonly manifests: readonly Manifest[];
  /** Of the directory as it was all the while it was read. */
  readonly fingerprint: string;
}

/** Reads the manifests that lie in a directory, not below it; hidden files are left out. */
export class ManifestDirectory {
  readonly #parsed = new Map<string, { readonly digest: string; readonly manifest: Manifest }>();
  readonly #thread = new ManifestThread();

  constructor(
    readonly directory: string,
    readonly onWarning: (message: string) => void,
  ) {}

  /**
   * All manifests of one moment: when anything changes meanwhile, all are read again.
   * Throws ManifestError for a file that is broken or cannot be read.
   */
  async read(): Promise<DirectoryReading> {
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const fingerprint = await this.fingerprint();
      const outcome = await this.#readFiles()
        .catch((error: unknown) => ({ error }))
        .finally(() => this.#thread.close());
      // An error, too, may be due to a file that was replaced while it was read.
      if ((await this.fingerprint()) !== fingerprint) {
        await setTimeout(attempt * 10);
        continue;
      }
      if ('error' in outcome) throw outcome.error;
      return { manifests: outcome.manifests, fingerprint };
    }
    throw new ManifestError(`${this.directory}: keeps changing while it is read`);
  }

  /** Differs when any of the manifests was written, replaced, added or removed, or the directory was. */
  async fingerprint(): Promise<string> {
    const hash = createHash('sha256');
    try {
      hash.update(JSON.stringify(await realpath(this.directory)));
      for (const name of await this.#names()) {
        hash.update(JSON.stringify([name, await identify(join(this.directory, name))]));
      }
    } catch (error) {
      hash.update(reasonOf(error));
    }
    return hash.digest('base64');
  }

  async #readFiles(): Promise<{ readonly manifests: readonly Manifest[] }> {
    const names = await this.#names().catch((error: unknown) => {
      throw new ManifestError(`${this.directory}: ${reasonOf(error)}`, { cause: error });
    });
    const manifests: Manifest[] = [];
    const files = new Set<string>();
    for (const name of names) {
      const file = join(this.directory, name);
      const manifest = await this.#readFile(file);
      if (manifest === undefined) continue;
      files.add(file);
      manifests.push(manifest);
    }
    for (const file of this.#parsed.keys()) if (!files.has(file)) this.#parsed.delete(file);
    return { manifests };
  }

  async #readFile(file: string): Promise<Manifest | undefined> {
    const bytes = await readBytes(file);
    if (bytes === undefined) return undefined;
    const digest = await runInSlices(digestOf(bytes));
    const known = this.#parsed.get(file);
    if (known?.digest === digest) return known.manifest;
    const manifest = await (bytes.length <= maxReadHereBytes
      ? runInSlices(readManifest(decoded(bytes, file), file))
      : this.#thread.read({ file, bytes }));
    this.#parsed.set(file, { digest, manifest });
    manifest.warnings.forEach((warning) => {
      this.onWarning(warning);
    });
    return manifest;
  }

  async #names(): Promise<readonly string[]> {
    return (await readdir(this.directory)).filter((name) => manifestName.test(name)).sort();
  }
}

/** Undefined for what is no file: a directory may be called x.yaml. */
async function readBytes(file: string): Promise<Buffer | undefined> {
  try {
    const status = await stat(file);
    if (!status.isFile()) return undefined;
    if (status.size > maxFileBytes) throw new ManifestError(`${file}: larger than 64 MiB`);
    return await readFile(file);
  } catch (error) {
    if (error instanceof ManifestError) throw error;
    throw new ManifestError(`${file}: ${reasonOf(error)}`, { cause: error });
  }
}

function* digestOf(bytes: Buffer): Generator<undefined, string, undefined> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += hashedBytes) {
    hash.update(bytes.subarray(at, at + hashedBytes));
    yield;
  }
  return hash.digest('base64');
}

/** Files of a ConfigMap are links: their targets count. */
async function identify(file: string): Promise<readonly string[]> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return [await realpath(file), ...[dev, ino, size, mtimeNs, ctimeNs].map(String)];
  } catch (error) {
    return [reasonOf(error)];
  }
}

function reasonOf(error: unknown): string {
  switch (systemCode(error)) {
    case 'ENOENT':
      return 'does not exist';
    case 'ENOTDIR':
      return 'is not a directory';
    case 'EACCES':
    case 'EPERM':
      return 'may not be read';
    default:
      return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}
