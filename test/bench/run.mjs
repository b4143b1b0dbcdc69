// Figures beside goals, never a test: machines differ, and so does what else they do meanwhile.
// `npm run bench`, or `npm run bench -- decisions throughput` for some sections alone. `--baseline DIR` measures the
// built `start` of another checkout beside this one's, `--json` prints the rows as JSON.
import { arch, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { auditSection } from './audit.mjs';
import { authenticationSection } from './authentication.mjs';
import { changesSection } from './changes.mjs';
import { connectionsSection } from './connections.mjs';
import { decisionsSection } from './decisions.mjs';
import { expositionSection } from './exposition.mjs';
import { identitiesSection } from './identities.mjs';
import { livezSection } from './livez.mjs';
import { loadingSection } from './loading.mjs';
import { manifestsSection } from './manifests.mjs';
import { memorySection } from './memory.mjs';
import { mergingSection } from './merging.mjs';
import { pathsSection } from './paths.mjs';
import { relabellingSection } from './relabelling.mjs';
import { printSection, printSummary } from './report.mjs';
import { startSection } from './start.mjs';
import { syncSection } from './sync.mjs';
import { throughputSection } from './throughput.mjs';
import { workersSection } from './workers.mjs';
import { workspacesSection } from './workspaces.mjs';

// Memory first: what comes later leaves garbage of its own.
const sections = {
  memory: memorySection,
  decisions: decisionsSection,
  changes: changesSection,
  paths: pathsSection,
  authentication: authenticationSection,
  identities: identitiesSection,
  sync: syncSection,
  manifests: manifestsSection,
  exposition: expositionSection,
  livez: livezSection,
  loading: loadingSection,
  relabelling: relabellingSection,
  merging: mergingSection,
  throughput: throughputSection,
  start: startSection,
  workers: workersSection,
  audit: auditSection,
  connections: connectionsSection,
  workspaces: workspacesSection,
};

const { values: options, positionals: chosen } = parseArgs({
  allowPositionals: true,
  options: { baseline: { type: 'string' }, json: { type: 'boolean' } },
});
const unknown = chosen.filter((name) => !(name in sections));
if (unknown.length > 0) {
  throw new Error(`no section ${unknown.join(', ')}; there are ${Object.keys(sections).join(', ')}`);
}

const [cpu] = cpus();
const print = options.json ? () => undefined : (text) => process.stdout.write(text);
print(`node ${process.version} ${arch()}, ${cpus().length} × ${cpu?.model ?? 'unknown CPU'}\n`);

const rows = [];
for (const [name, section] of Object.entries(sections)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const started = performance.now();
  const { title, rows: found } = await section(options);
  if (!options.json) printSection(title, found, (performance.now() - started) / 1000);
  rows.push(...found.map((row) => ({ section: name, ...row })));
}
if (options.json) process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
else printSummary(rows);
