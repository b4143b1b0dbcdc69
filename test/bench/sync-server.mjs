// An API server that has many bindings and streams them as kube-apiserver does, in a process of its own.
import { createServer } from 'node:https';

const listPath = '/apis/rbac.authorization.k8s.io/v1/';
let resourceVersion = 1_000_000;
/** @type {Set<import('node:http').ServerResponse>} */
const watchers = new Set();

process.once('message', ({ certificate, privateKey, bindings }) => {
  const server = createServer({ cert: certificate, key: privateKey }, (request, response) => {
    const url = new URL(request.url, 'https://localhost');
    const isBindings = url.pathname === `${listPath}clusterrolebindings`;
    const objects = isBindings ? bindings : 1;
    const objectAt = isBindings ? binding : role;
    response.writeHead(200, { 'Content-Type': 'application/json' });
    if (url.searchParams.get('sendInitialEvents') === 'true') {
      void stream(response, objects, objectAt);
    } else if (url.searchParams.get('watch') !== 'true') {
      page(response, url.searchParams, objects, objectAt);
      return;
    }
    if (isBindings) watchers.add(response);
    response.once('close', () => watchers.delete(response));
  });
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
});

process.on('message', ({ changes, perSecond }) => {
  if (changes === undefined) return;
  const started = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.min(changes, Math.floor(((performance.now() - started) / 1000) * perSecond));
    for (; sent < due; sent += 1) {
      const line = event(sent % 2 === 0 ? 'DELETED' : 'ADDED', binding(Math.floor(sent / 2)));
      for (const response of watchers) response.write(line);
    }
    if (sent < changes) return;
    clearInterval(timer);
    process.send({ sent });
  }, 5);
});

async function stream(response, count, objectAt) {
  const batch = 200;
  for (let from = 0; from < count; from += batch) {
    let lines = '';
    for (let at = from; at < Math.min(count, from + batch); at += 1) lines += event('ADDED', objectAt(at));
    if (!response.write(lines)) await new Promise((resolve) => response.once('drain', resolve));
  }
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  const metadata = { resourceVersion: String(resourceVersion), annotations };
  response.write(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata } })}\n`);
}

function page(response, query, count, objectAt) {
  const limit = Number(query.get('limit') ?? count);
  const from = Number(query.get('continue') ?? 0);
  const items = Array.from({ length: Math.min(limit, count - from) }, (_, at) => objectAt(from + at));
  const next = from + limit < count ? { continue: String(from + limit) } : {};
  const metadata = { resourceVersion: String(resourceVersion), ...next };
  response.end(JSON.stringify({ kind: 'List', apiVersion: 'rbac.authorization.k8s.io/v1', metadata, items }));
}

function event(type, object) {
  resourceVersion += 1;
  const metadata = { ...object.metadata, resourceVersion: String(resourceVersion) };
  return `${JSON.stringify({ type, object: { ...object, metadata } })}\n`;
}

function role() {
  return { metadata: metadataOf('reader'), rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }] };
}

function binding(at) {
  return {
    kind: 'ClusterRoleBinding',
    apiVersion: 'rbac.authorization.k8s.io/v1',
    metadata: metadataOf(`binding-${at}`),
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: `user-${at}` }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' },
  };
}

/** As a real API server's: most of an object is what no decision needs. */
function metadataOf(name) {
  return {
    name,
    uid: '0706cdfc-2400-430c-8274-d3b4f251021c',
    resourceVersion: String(resourceVersion),
    creationTimestamp: '2026-11-21T03:32:42Z',
    annotations: { 'internal.kcp.io/replicate': 'manual', 'kcp.io/cluster': 'root' },
    managedFields: [
      {
        manager: 'kubectl-create',
        operation: 'Update',
        apiVersion: 'rbac.authorization.k8s.io/v1',
        time: '2026-11-21T03:32:42Z',
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:annotations': { '.': {}, 'f:internal.kcp.io/replicate': {} } },
          'f:roleRef': {},
          'f:subjects': {},
        },
      },
    ],
  };
}
