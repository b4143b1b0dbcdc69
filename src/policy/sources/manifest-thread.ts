import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { codeOf } from '../../error-class.js';
import { packageRoot } from '../../own-package.js';
import type { PolicyObject, PolicyRule, Subject } from '../objects.js';
import { ManifestError } from '../policy-errors.js';
import type { Manifest } from './manifest.js';

/** A manifest to be read in a thread of its own. */
export interface ManifestBytes {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** See `parseManifest`. */
  readonly ofWorkspaces?: boolean;
}

/** An object, or more rules or subjects of the one before it. */
export interface ManifestPiece {
  readonly object: PolicyObject;
  readonly continues: boolean;
}

/** What such a thread answers, one message for each request. */
export type ManifestPart =
  | { readonly kind: 'pieces'; readonly pieces: readonly ManifestPiece[] }
  | { readonly kind: 'end'; readonly warnings: readonly string[] }
  /** The message of a ManifestError. */
  | { readonly kind: 'fault'; readonly message: string };

/**
 * Reads large manifests in a thread: a document cannot be parsed in slices, and one may hold all the bindings of a
 * cluster. The result comes back in parts, so that receiving it does not hold up the event loop either.
 */
export class ManifestThread {
  #worker: Worker | undefined;

  /** One at a time. Transfers the bytes to the thread. @throws ManifestError */
  async read(manifest: ManifestBytes): Promise<Manifest> {
    // As built, also where this runs from its source.
    const worker = (this.#worker ??= new Worker(
      new URL('dist/policy/sources/manifest-worker.js', packageRoot),
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

  /** Ends the thread and frees its memory. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }
}

/** Adds a piece to those before it, whose lists may be changed. */
export function addPiece(objects: PolicyObject[], { object, continues }: ManifestPiece): void {
  const last = continues ? objects.at(-1) : undefined;
  if (last?.kind === 'ClusterRole' && object.kind === 'ClusterRole') {
    (last.rules as PolicyRule[]).push(...object.rules);
  } else if (last?.kind === 'ClusterRoleBinding' && object.kind === 'ClusterRoleBinding') {
    (last.subjects as Subject[]).push(...object.subjects);
  } else objects.push(object);
}

async function nextPart(worker: Worker, file: string): Promise<ManifestPart> {
  try {
    const [part] = (await once(worker, 'message')) as [ManifestPart];
    return part;
  } catch (error) {
    if (codeOf(error) !== 'ERR_WORKER_OUT_OF_MEMORY') throw error;
    throw new ManifestError(`${file}: takes more memory to read than there is`, { cause: error });
  }
}
