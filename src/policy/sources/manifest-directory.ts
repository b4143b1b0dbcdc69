import { createHash } from 'node:crypto';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { sourceOf, utf8TextOf } from '../../documents/source.js';
import { codeOf, messageOf } from '../../error-class.js';
import { runInSlices } from '../../time-slice.js';
import { ManifestError } from '../policy-errors.js';
import { ManifestThread } from './manifest-thread.js';
import { readManifest, type Manifest } from './manifest.js';

const manifestName = /^[^.].*\.(?:ya?ml|json)$/;
const maxFileBytes = 64 * 1024 * 1024;
const maxAttempts = 10;
/** A smaller manifest (bytes) is parsed in less time than a thread takes to start. */
const maxReadHereBytes = 8 * 1024;
/** How many files are looked at, at once. */
const filesAtOnce = 16;
/** How much is hashed in one step. */
const hashedBytes = 256 * 1024;

/** Reads the manifests that lie in a directory, not below it; hidden files are left out. */
export class ManifestDirectory {
  readonly #parsed = new Map<string, { readonly digest: string; readonly manifest: Manifest }>();
  readonly #thread = new ManifestThread();

  constructor(
    readonly directory: string,
    readonly onWarning: (message: string) => void,
    /** See `parseManifest`. */
    readonly ofWorkspaces = false,
  ) {}

  /**
   * All manifests of one moment, in the order of the files' names, with the directory's fingerprint: when anything
   * changes meanwhile, all are read again. A file that did not change gives the same object again. Throws ManifestError
   * for a file that is broken or cannot be read.
   */
  async read(): Promise<{ readonly manifests: readonly Manifest[]; readonly fingerprint: string }> {
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const fingerprint = await this.fingerprint();
      const [outcome] = await Promise.allSettled([this.#readFiles()]);
      await this.#thread.close();
      // An error may also be due to a file that was replaced while it was read.
      if ((await this.fingerprint()) !== fingerprint) {
        await setTimeout(attempt * 10);
        continue;
      }
      if (outcome.status === 'rejected') throw outcome.reason;
      return { manifests: outcome.value, fingerprint };
    }
    throw new ManifestError(`${this.directory}: keeps changing while it is read`);
  }

  /** Differs if a manifest or the directory was written, replaced, added or removed. */
  async fingerprint(): Promise<string> {
    try {
      const found: unknown[] = [await realpath(this.directory)];
      const names = await this.#names();
      for (let at = 0; at < names.length; at += filesAtOnce) {
        const some = names.slice(at, at + filesAtOnce);
        const identified = some.map(async (name) => [name, await identify(join(this.directory, name))]);
        found.push(...(await Promise.all(identified)));
      }
      return JSON.stringify(found);
    } catch (error) {
      return reasonOf(error);
    }
  }

  async #readFiles(): Promise<readonly Manifest[]> {
    const names = await this.#names().catch((error: unknown) => {
      throw new ManifestError(`${this.directory}: ${reasonOf(error)}`, { cause: error });
    });
    const manifests = new Map<string, Manifest>();
    for await (const { file, bytes } of readAhead(names.map((name) => join(this.directory, name)))) {
      const manifest = bytes && (await this.#parse(file, bytes));
      if (manifest !== undefined) manifests.set(file, manifest);
    }
    for (const file of this.#parsed.keys()) if (!manifests.has(file)) this.#parsed.delete(file);
    return [...manifests.values()];
  }

  async #parse(file: string, bytes: Buffer): Promise<Manifest> {
    const digest = await runInSlices(digestOf(bytes));
    const known = this.#parsed.get(file);
    if (known?.digest === digest) return known.manifest;
    const manifest = await (bytes.length <= maxReadHereBytes
      ? runInSlices(readManifest(utf8TextOf(bytes, sourceOf(file, ManifestError)), file, this.ofWorkspaces))
      : this.#thread.read({ file, bytes, ofWorkspaces: this.ofWorkspaces }));
    this.#parsed.set(file, { digest, manifest });
    for (const warning of manifest.warnings) this.onWarning(warning);
    return manifest;
  }

  async #names(): Promise<readonly string[]> {
    return (await readdir(this.directory)).filter((name) => manifestName.test(name)).sort();
  }
}

/** The bytes of files, one after the other: the next is read while one is worked on. */
async function* readAhead(files: readonly string[]) {
  const read = (file: string) => {
    const reading = readBytes(file);
    // One that fails does so when its turn comes, if it comes.
    reading.catch(() => undefined);
    return { file, reading };
  };
  let next = files[0] === undefined ? undefined : read(files[0]);
  for (let at = 1; next !== undefined; at += 1) {
    const { file, reading } = next;
    const bytes = await reading;
    const following = files[at];
    next = following === undefined ? undefined : read(following);
    yield { file, bytes };
  }
}

/** Undefined if it is not a file: a directory may be called x.yaml. */
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

const reasons: ReadonlyMap<string | undefined, string> = new Map([
  ['ENOENT', 'does not exist'],
  ['ENOTDIR', 'is not a directory'],
  ['EACCES', 'may not be read'],
  ['EPERM', 'may not be read'],
]);

function reasonOf(error: unknown): string {
  return reasons.get(codeOf(error)) ?? `cannot be read: ${messageOf(error)}`;
}
