import type { KnownObjects } from './known-objects.js';
import type { First } from './list-pages.js';
import { failureOf, ReflectorFailure } from './reflector-failure.js';
import type { Requests } from './requests.js';
import { isOlder } from './resource-version.js';

/**
 * The server may have come back from a backup, or from nothing. Of that a watch tells nothing: kube-apiserver is
 * silent until its resourceVersion has passed the one that was asked for. To be asked when the watch has begun:
 * whatever happens to the server afterwards ends the watch.
 *
 * Resolves to the server's resourceVersion. @throws ReflectorFailure; `expired` where it is another history.
 */
export async function requireSameHistory(
  requests: Requests,
  known: KnownObjects,
  { server, resourceVersion }: { readonly server: string; readonly resourceVersion: string },
): Promise<string> {
  const first = await requests.first().catch((error: unknown): First | undefined => {
    // Who may watch and not list can only have everything told again.
    if (failureOf(error).status === 403) return undefined;
    throw error;
  });
  const isSame =
    first?.server === server && !isOlder(first.resourceVersion, resourceVersion) && known.has(first.object);
  if (!isSame) throw new ReflectorFailure('expired', 'the server may have another history than before');
  return first.resourceVersion;
}
