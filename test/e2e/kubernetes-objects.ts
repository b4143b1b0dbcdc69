import type { KubernetesObject } from '../examples/manifest-schemas.js';
import type { ControlPlane } from './control-plane.js';

/** Where the objects of its kind are: `/api/v1/namespaces/kcp/services`. */
function collectionOf({ apiVersion, kind, metadata: { namespace } }: KubernetesObject): string {
  const api = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const room = namespace === undefined ? '' : `/namespaces/${namespace}`;
  const resource = kind.toLowerCase();
  return `${api}${room}/${resource}${resource.endsWith('s') ? 'es' : 's'}`;
}

/** From the API's root. */
export function pathOf(object: KubernetesObject): string {
  return `${collectionOf(object)}/${object.metadata.name}`;
}

/** As `kubectl apply` would, for somebody in system:masters: each object is created, or changed where it is there. */
export async function apply(
  controlPlane: Pick<ControlPlane, 'request'>,
  objects: readonly KubernetesObject[],
): Promise<void> {
  for (const object of objects) {
    // Merged into what is there: a PATCH of an object that is not is answered 404.
    const changed = await controlPlane.request('PATCH', pathOf(object), object);
    const { status, body } =
      changed.status === 404 ? await controlPlane.request('POST', collectionOf(object), object) : changed;
    if (status >= 300) {
      const { message = '' } = body as { readonly message?: string };
      throw new Error(`${status} to ${object.kind} ${object.metadata.name}: ${message}`);
    }
  }
}

export async function remove(
  controlPlane: Pick<ControlPlane, 'request'>,
  objects: readonly KubernetesObject[],
): Promise<void> {
  for (const object of objects) {
    const { status } = await controlPlane.request('DELETE', pathOf(object));
    if (status >= 300) throw new Error(`${status} to DELETE ${pathOf(object)}`);
  }
}

export function namespaceOf(name: string): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}
