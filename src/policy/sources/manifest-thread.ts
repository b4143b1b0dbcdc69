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

/** What such a thread answers, one message for each request. */
export type ManifestPart =
  /** Of two that follow one another under one name, the second has more rules or subjects of the first. */
  | { readonly kind: 'objects'; readonly objects: readonly PolicyObject[] }
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
      if (part.kind === 'end') return { objects, warnings: part.warnings };
      if (part.kind === 'fault') throw new ManifestError(part.message);
      for (const object of part.objects) addPart(objects, object);
      worker.postMessage('more');
    }
  }

  /** Ends the thread and frees its memory. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }
}

/** Adds an object, or more of the last one, whose lists may be changed. */
export function addPart(objects: PolicyObject[], part: PolicyObject): void {
  const last = objects.at(-1);
  const isMore = last?.kind === part.kind && last.name === part.name && last.cluster === part.cluster;
  if (isMore && last.kind === 'ClusterRole' && part.kind === 'ClusterRole') {
    (last.rules as PolicyRule[]).push(...part.rules);
  } else if (isMore && last.kind === 'ClusterRoleBinding' && part.kind === 'ClusterRoleBinding') {
    (last.subjects as Subject[]).push(...part.subjects);
  } else objects.push(part);
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
