import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { ControlPlane } from './control-plane.js';
import { clusterRoleBindings } from './rbac-objects.js';

export interface ManyBindings {
  readonly role: string;
  /** How many are wanted. */
  readonly count: number;
  /** After that time no more are begun (ms). */
  readonly withinMs: number;
}

const connections = 16;

/** `many-0`, `many-1`, …: the name of a binding, and of the user whom it names. */
export function manyName(at: number): string {
  return `many-${at}`;
}

/** Creates bindings as fast as the server takes them. Resolves to how many; throws where one is refused. */
export async function createManyBindings(
  controlPlane: ControlPlane,
  { role, count, withinMs }: ManyBindings,
): Promise<number> {
  const admin = await controlPlane.issueClient('many-bindings', ['system:masters']);
  const agent = new Agent({
    keepAlive: true,
    maxSockets: connections,
    ca: readFileSync(controlPlane.certificateAuthority),
    cert: admin.certificatePem,
    key: admin.privateKeyPem,
  });
  const bindings = clusterRoleBindings(async (method, path, body) => {
    const sent = request(`${controlPlane.url}${path}`, {
      method,
      agent,
      headers: { 'Content-Type': 'application/json' },
    }).end(JSON.stringify(body));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    return { status: response.statusCode ?? 0, headers: response.headers, body: {} };
  });
  const deadline = performance.now() + withinMs;
  let begun = 0;
  const createSome = async (): Promise<void> => {
    while (begun < count && performance.now() < deadline) {
      const name = manyName(begun);
      begun += 1;
      await bindings.create({ name, role, subjects: [{ kind: 'User', name }] });
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, createSome));
  } finally {
    agent.destroy();
  }
  return begun;
}
