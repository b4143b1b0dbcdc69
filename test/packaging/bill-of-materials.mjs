// Has npm write the bill of materials of what is run in production, and looks whether it names all of it.
// npm's own --omit=dev leaves out what the tests need as well, so it is given a lock without the tests' packages.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'));

const manifest = runtimeOnly(read('package.json'));
const lock = read('package-lock.json');
const own = runtimeOnly(lock.packages['']);
const production = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true);

const directory = mkdtempSync(join(tmpdir(), 'kcp-metrics-filter-bill-'));
try {
  const write = (name, value) => writeFileSync(join(directory, name), JSON.stringify(value));
  write('package.json', manifest);
  write('package-lock.json', { ...lock, packages: { '': own, ...Object.fromEntries(production) } });
  const text = execFileSync(
    'npm',
    ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only'],
    { cwd: directory, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  const { bomFormat, components } = JSON.parse(text);
  const named = new Set(components.map(({ purl }) => decodeURIComponent(purl)));
  const missing = production
    .map(([path, { name, version }]) => [name ?? path.replace(/^.*node_modules\//, ''), version])
    .filter(([name, version]) => !named.has(`pkg:npm/${name}@${version}`));
  if (bomFormat !== 'CycloneDX' || missing.length > 0) {
    throw new Error(`the bill of materials lacks ${missing.map((each) => each.join('@')).join(', ')}`);
  }
  process.stdout.write(`bill of materials: ${components.length} packages\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** Peers are the application's. */
function runtimeOnly(manifest) {
  const groups = ['devDependencies', 'peerDependencies', 'scripts'];
  return Object.fromEntries(Object.entries(manifest).filter(([name]) => !groups.includes(name)));
}
