import type { ControlPlane } from './control-plane.js';
import { keptConnections } from './kept-connections.js';
import { clusterRoleBindings } from './rbac-objects.js';

export interface ManyBindings {
  readonly role: string;
  /** How many are wanted. */
  readonly count: number;
  /** After that time no more are begun (ms). */
  readonly withinMs: number;
}

/** `many-0`, `many-1`, …: the name of a binding, and of the user whom it names. */
export function manyName(at: number): string {
  return `many-${at}`;
}

/** Creates bindings as fast as the server takes them. Resolves to how many; throws where one is refused. */
export async function createManyBindings(
  controlPlane: ControlPlane,
  { role, count, withinMs }: ManyBindings,
): Promise<number> {
  const connections = await keptConnections(controlPlane);
  const bindings = clusterRoleBindings(connections.send);
  const deadline = performance.now() + withinMs;
  let begun = 0;
  const names = Array.from({ length: count }, (_, at) => manyName(at));
  try {
    await connections.map(names, async (name) => {
      if (performance.now() >= deadline) return;
      begun += 1;
      await bindings.create({ name, role, subjects: [{ kind: 'User', name }] });
    });
  } finally {
    connections.close();
  }
  return begun;
}
