import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { localAuthority } from '../support/local-authority.js';

/** Serves as much of a Kubernetes API as a policy is read from, and changes as often as it is told to. */
export interface EventGenerator {
  readonly url: string;
  /** PEM; of its serving certificate. */
  readonly certificateAuthority: string;
  /** Sends a change to whoever watches. The user may scrape as long as there is a binding of the same name. */
  bind(user: string): void;
  unbind(user: string): void;
  close(): Promise<void>;
}

const api = 'rbac.authorization.k8s.io';
const role = {
  metadata: { name: 'scraper', resourceVersion: '1' },
  rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }],
};

/** @param users Who is bound from the beginning. */
export async function startEventGenerator(users: readonly string[]): Promise<EventGenerator> {
  const { authority, serving } = await localAuthority();
  const bindings = new Map(users.map((user) => [user, binding(user, 1)]));
  const watches = new Set<ServerResponse>();
  let resourceVersion = 1;
  const send = (type: string, object: object): void => {
    const line = `${JSON.stringify({ type, object })}\n`;
    for (const watch of watches) watch.write(line);
  };
  const server = createServer(
    { cert: serving.certificatePem, key: serving.privateKeyPem },
    (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'https://127.0.0.1');
      const isOfBindings = pathname.endsWith('/clusterrolebindings');
      response.setHeader('Content-Type', 'application/json');
      if (searchParams.has('sendInitialEvents')) {
        // As an older Kubernetes does.
        response.writeHead(422).end('{}');
      } else if (searchParams.has('watch')) {
        response.flushHeaders();
        if (!isOfBindings) return;
        watches.add(response);
        response.once('close', () => watches.delete(response));
      } else {
        // In the order of their names, as Kubernetes' store has them.
        const items = isOfBindings ? [...bindings.keys()].sort().map((user) => bindings.get(user)) : [role];
        response.end(JSON.stringify({ metadata: { resourceVersion: String(resourceVersion) }, items }));
      }
    },
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    certificateAuthority: authority.certificatePem,
    bind(user) {
      resourceVersion += 1;
      const changed = binding(user, resourceVersion);
      send(bindings.has(user) ? 'MODIFIED' : 'ADDED', changed);
      bindings.set(user, changed);
    },
    unbind(user) {
      resourceVersion += 1;
      send('DELETED', binding(user, resourceVersion));
      bindings.delete(user);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function binding(user: string, resourceVersion: number): object {
  return {
    apiVersion: `${api}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: user, resourceVersion: String(resourceVersion) },
    roleRef: { apiGroup: api, kind: 'ClusterRole', name: role.metadata.name },
    subjects: [{ apiGroup: api, kind: 'User', name: user }],
  };
}
