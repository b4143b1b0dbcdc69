import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { directoryPolicySource } from '../../dist/policy/sources/directory.js';
import { openPolicy } from '../../dist/policy/open-policy.js';

const bindings = 20_000;
const goalMs = 10;
const group = 'rbac.authorization.k8s.io';

/** As kubectl prints them, by the name of their file. */
const manifests = {
  'list.yaml': `apiVersion: v1\nitems:\n${each(
    (number) => `- apiVersion: ${group}/v1
  kind: ClusterRoleBinding
  metadata:
    annotations:
      internal.kcp.io/replicate: "true"
    creationTimestamp: "2026-03-01T10:11:12Z"
    name: scrape-${number}
    resourceVersion: "${number}"
    uid: 0b5b0c5e-1b9b-4c5b-9c5b-${String(number).padStart(12, '0')}
  roleRef:
    apiGroup: ${group}
    kind: ClusterRole
    name: system:kcp:metrics-reader
  subjects:
  - apiGroup: ${group}
    kind: User
    name: user-${number}
`,
  )}kind: List\nmetadata:\n  resourceVersion: ""\n`,
  'list.json': JSON.stringify(
    {
      apiVersion: 'v1',
      items: Array.from({ length: bindings }, (_, number) => ({
        apiVersion: `${group}/v1`,
        kind: 'ClusterRoleBinding',
        metadata: { name: `scrape-${number}`, resourceVersion: String(number) },
        roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'system:kcp:metrics-reader' },
        subjects: [{ apiGroup: group, kind: 'User', name: `user-${number}` }],
      })),
      kind: 'List',
    },
    null,
    4,
  ),
  'subjects.yaml': `apiVersion: ${group}/v1
kind: ClusterRoleBinding
metadata: {name: all}
roleRef: {kind: ClusterRole, name: system:kcp:metrics-reader}
subjects:
${each((number) => `- {kind: User, name: user-${number}}\n`)}`,
};

/** How long one large manifest of a directory holds the event loop, when it is read first and when it is read again. */
export async function manifestsSection() {
  const rows = [];
  for (const [name, text] of Object.entries(manifests)) {
    const { start, reload, seconds } = await measure(name, text);
    rows.push({
      what: `${name}, ${(text.length / 1e6).toFixed(1)} MB`,
      figures: `longest at the start ${start.toFixed(1)} ms, at a reload ${reload.toFixed(1)} ms; read in ${seconds.toFixed(1)} s`,
      goal: `reload < ${goalMs} ms`,
      met: reload < goalMs,
    });
  }
  return { title: `Blocks of the event loop while ${bindings} bindings, or subjects, are read`, rows };
}

async function measure(name, text) {
  const directory = mkdtempSync(join(tmpdir(), 'manifests-'));
  let reloaded;
  const source = directoryPolicySource({ directory, settleMs: 10, onReload: () => reloaded() });
  try {
    writeFileSync(join(directory, name), text);
    const started = performance.now();
    let open;
    const start = await longest(async () => (open = await openPolicy({ sources: [source] })));
    const seconds = (performance.now() - started) / 1000;
    writeFileSync(join(directory, 'written'), `${text}\n`);
    const reload = await longest(async () => {
      const done = new Promise((resolve) => (reloaded = resolve));
      renameSync(join(directory, 'written'), join(directory, name));
      await done;
    });
    await open.close();
    return { start, reload, seconds };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** How long everything else has to wait meanwhile, at most (ms). */
async function longest(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  // A directory that is followed keeps no process alive.
  const alive = setInterval(() => undefined, 1000);
  delay.enable();
  await work();
  delay.disable();
  clearInterval(alive);
  return Math.max(0, delay.max / 1e6 - 1);
}

function each(make) {
  return Array.from({ length: bindings }, (_, number) => make(number)).join('');
}
