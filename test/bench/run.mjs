// Figures beside goals, never a test: machines differ, and so does what else they do meanwhile.
// `npm run bench`, or `npm run bench -- decisions throughput` for some sections alone.
import { arch, cpus } from 'node:os';
import { auditSection } from './audit.mjs';
import { authenticationSection } from './authentication.mjs';
import { changesSection } from './changes.mjs';
import { connectionsSection } from './connections.mjs';
import { decisionsSection } from './decisions.mjs';
import { expositionSection } from './exposition.mjs';
import { identitiesSection } from './identities.mjs';
import { livezSection } from './livez.mjs';
import { manifestsSection } from './manifests.mjs';
import { memorySection } from './memory.mjs';
import { mergingSection } from './merging.mjs';
import { pathsSection } from './paths.mjs';
import { relabellingSection } from './relabelling.mjs';
import { printSection, printSummary } from './report.mjs';
import { syncSection } from './sync.mjs';
import { throughputSection } from './throughput.mjs';
import { upstreamSection } from './upstream.mjs';
import { workersSection } from './workers.mjs';

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
  relabelling: relabellingSection,
  merging: mergingSection,
  throughput: throughputSection,
  upstream: upstreamSection,
  workers: workersSection,
  audit: auditSection,
  connections: connectionsSection,
};

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in sections));
if (unknown.length > 0) {
  throw new Error(`no section ${unknown.join(', ')}; there are ${Object.keys(sections).join(', ')}`);
}

const [cpu] = cpus();
process.stdout.write(
  `node ${process.version} ${arch()}, ${cpus().length} × ${cpu?.model ?? 'unknown CPU'}\n`,
);

const rows = [];
for (const [name, section] of Object.entries(sections)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const started = performance.now();
  const { title, rows: found } = await section();
  printSection(title, found, (performance.now() - started) / 1000);
  rows.push(...found);
}
printSummary(rows);
