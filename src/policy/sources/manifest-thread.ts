import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { PolicyObject } from '../objects.js';
import { ManifestError } from './manifest-error.js';
import { addPiece, type ManifestBytes, type ManifestPart } from './manifest-parts.js';
import type { Manifest } from './manifest.js';

/**
 * Reads large manifests in a thread: no document is parsed in slices, and one may hold all the bindings of a cluster.
 * What is read comes back part by part, so that taking it holds nobody up either.
 */
export class ManifestThread {
  #worker: Worker | undefined;

  /** One at a time. The bytes are the thread's from then on. @throws ManifestError */
  async read(manifest: ManifestBytes): Promise<Manifest> {
    // As built, also where this runs from its source: both lie two levels below the package's root.
    const worker = (this.#worker ??= new Worker(
      new URL('../../../dist/policy/sources/manifest-worker.js', import.meta.url),
    ));
    const objects: PolicyObject[] = [];
    worker.postMessage(manifest, [manifest.bytes.buffer as ArrayBuffer]);
    for (;;) {
      const part = await nextPart(worker, manifest.file);
      switch (part.kind) {
        case 'pieces':
          for (const piece of part.pieces) addPiece(objects, piece);
          worker.postMessage('more');
          break;
        case 'end':
          return { objects, warnings: part.warnings };
        case 'fault':
          throw new ManifestError(part.message);
      }
    }
  }

  /** Ends the thread, and gives back the memory that it took. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }
}

async function nextPart(worker: Worker, file: string): Promise<ManifestPart> {
  try {
    const [part] = (await once(worker, 'message')) as [ManifestPart];
    return part;
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    throw new ManifestError(`${file}: takes more memory to read than there is`, { cause: error });
  }
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
}
