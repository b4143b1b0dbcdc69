// Builds kube-apiserver and etcd, which go.mod declares as tools, into .bin/, and helm (helm/go.mod) into .bin-helm/.
// Does nothing where they are there already; takes a few minutes the first time, for Go to compile all of Kubernetes.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const directory = fileURLToPath(new URL('.', import.meta.url));
/** Each module has its own versions of Kubernetes' libraries. */
const modules = [
  { folder: directory, built: join(directory, '.bin') },
  { folder: join(directory, 'helm'), built: join(directory, '.bin-helm') },
];
/** The name of each tool's binary, by its import path. */
const names = new Map([
  ['k8s.io/kubernetes/cmd/kube-apiserver', 'kube-apiserver'],
  ['go.etcd.io/etcd/server/v3', 'etcd'],
  ['helm.sh/helm/v3/cmd/helm', 'helm'],
]);

/** Of everything that decides what comes out, this file's flags too. @param {string} folder */
function digestOfSources(folder) {
  const digest = createHash('sha256');
  for (const file of [join(folder, 'go.mod'), join(folder, 'go.sum'), join(directory, 'build.mjs')]) {
    digest.update(readFileSync(file));
  }
  return digest.digest('hex');
}

/** What the binaries in a folder were built from, if there are any. @param {string} built */
function digestOfBuilt(built) {
  try {
    return readFileSync(join(built, 'digest'), 'utf8');
  } catch {
    return undefined;
  }
}

/** @param {string} folder @param {readonly string[]} args @returns {string} its stdout */
function go(folder, args) {
  const { status, stdout, error } = spawnSync('go', args, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`go ${args[0]} failed`);
  return stdout;
}

/** The version that a release's build sets; without it, the server says v0.0.0. @param {string} version */
function versionFlags(version) {
  const [, major, minor] = /^v(\d+)\.(\d+)\./.exec(version) ?? [];
  return [`gitVersion=${version}`, `gitMajor=${major}`, `gitMinor=${minor}`].map(
    (setting) => `-X k8s.io/component-base/version.${setting}`,
  );
}

/** @param {string} folder @param {string} built @param {string} digest */
function build(folder, built, digest) {
  // Renamed as a whole at the end: a folder that is there is complete.
  const unfinished = mkdtempSync(`${built}-`);
  try {
    const tools = go(folder, ['list', '-f', '{{.ImportPath}} {{.Module.Version}}', 'tool']);
    for (const line of tools.trim().split('\n')) {
      const [path = '', version = ''] = line.split(' ');
      const name = names.get(path);
      if (name === undefined) throw new Error(`go.mod has a tool without a name here: ${path}`);
      process.stdout.write(`test/e2e: building ${name} ${version}\n`);
      const ldflags = ['-s', '-w', ...(name === 'kube-apiserver' ? versionFlags(version) : [])];
      go(folder, ['build', '-trimpath', '-ldflags', ldflags.join(' '), '-o', join(unfinished, name), path]);
    }
    writeFileSync(join(unfinished, 'digest'), digest);
    rmSync(built, { recursive: true, force: true });
    renameSync(unfinished, built);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

const hasGo = spawnSync('go', ['version']).status === 0;
for (const { folder, built } of modules) {
  const digest = digestOfSources(folder);
  if (digestOfBuilt(built) === digest) continue;
  if (hasGo) {
    build(folder, built, digest);
  } else {
    // The tests go by what is built: nothing of an older go.mod may be.
    rmSync(built, { recursive: true, force: true });
    process.stderr.write(`test/e2e: go is not installed, so the tools of ${folder} cannot be built\n`);
    if (process.env.CI !== undefined && process.env.CI !== '') process.exitCode = 1;
  }
}
