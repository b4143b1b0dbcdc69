// Builds what the end-to-end tests run: kube-apiserver and etcd of one version of Kubernetes, and helm. Each folder with a
// go.mod declares tools, and has its own versions of Kubernetes' libraries; they are built into .bin-FOLDER/. Does nothing
// where they are there already; takes a quarter of an hour the first time, for Go to compile all of Kubernetes.
//   E2E_KUBERNETES=1.36   the version; default: the newest
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const directory = fileURLToPath(new URL('.', import.meta.url));
const kubernetes = `kubernetes-${kubernetesVersion()}`;
const modules = [kubernetes, 'helm'];
/** The name of each tool's binary, by its import path. */
const names = new Map([
  ['k8s.io/kubernetes/cmd/kube-apiserver', 'kube-apiserver'],
  ['go.etcd.io/etcd/server/v3', 'etcd'],
  ['helm.sh/helm/v3/cmd/helm', 'helm'],
]);

/** The one that is asked for, or the newest. */
function kubernetesVersion() {
  const versions = readdirSync(directory)
    .flatMap((name) => /^kubernetes-(.+)$/.exec(name)?.[1] ?? [])
    .sort((one, other) => one.localeCompare(other, 'en', { numeric: true }));
  const version = process.env.E2E_KUBERNETES || versions.at(-1);
  if (!versions.includes(version)) {
    throw new Error(`E2E_KUBERNETES=${version}: there are ${versions.join(' and ')}`);
  }
  return version;
}

/** Of everything that decides what comes out, this file's flags too. @param {string} module */
function digestOfSources(module) {
  const digest = createHash('sha256');
  for (const file of [`${module}/go.mod`, `${module}/go.sum`, 'build.mjs']) {
    digest.update(readFileSync(join(directory, file)));
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

/**
 * What it says on stderr is in `.bin-logs/`, and its end in the error.
 * @param {string} module @param {readonly string[]} args @returns {string} its stdout
 */
function go(module, args) {
  mkdirSync(join(directory, '.bin-logs'), { recursive: true });
  const file = join(directory, `.bin-logs/${module}.log`);
  const log = openSync(file, 'w');
  const { status, signal, stdout, error } = spawnSync('go', args, {
    cwd: join(directory, module),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', log],
  });
  closeSync(log);
  if (error !== undefined) throw error;
  if (status !== 0) {
    const end = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
    throw new Error(`go ${args[0]} failed (${signal ?? status}); ${file} ends with\n${end}`);
  }
  return stdout;
}

/** The version that a release's build sets; without it, the server says v0.0.0. @param {string} version */
function versionFlags(version) {
  const [, major, minor] = /^v(\d+)\.(\d+)\./.exec(version) ?? [];
  return [`gitVersion=${version}`, `gitMajor=${major}`, `gitMinor=${minor}`].map(
    (setting) => `-X k8s.io/component-base/version.${setting}`,
  );
}

/** @param {string} module @param {string} built @param {string} digest */
function build(module, built, digest) {
  // Renamed as a whole at the end: a folder that is there is complete.
  const unfinished = mkdtempSync(`${built}-`);
  try {
    const tools = go(module, ['list', '-f', '{{.ImportPath}} {{.Module.Version}}', 'tool']);
    for (const line of tools.trim().split('\n')) {
      const [path = '', version = ''] = line.split(' ');
      const name = names.get(path);
      if (name === undefined) throw new Error(`go.mod has a tool without a name here: ${path}`);
      process.stdout.write(`test/e2e: building ${name} ${version}\n`);
      const ldflags = ['-s', '-w', ...(name === 'kube-apiserver' ? versionFlags(version) : [])];
      go(module, ['build', '-trimpath', '-ldflags', ldflags.join(' '), '-o', join(unfinished, name), path]);
    }
    writeFileSync(join(unfinished, 'digest'), digest);
    rmSync(built, { recursive: true, force: true });
    renameSync(unfinished, built);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

const hasGo = spawnSync('go', ['version']).status === 0;
for (const module of modules) {
  const built = join(directory, `.bin-${module}`);
  const digest = digestOfSources(module);
  if (digestOfBuilt(built) === digest) continue;
  if (hasGo) {
    build(module, built, digest);
  } else {
    // The tests go by what is built: nothing of an older go.mod may be.
    rmSync(built, { recursive: true, force: true });
    process.stderr.write(`test/e2e: go is not installed, so the tools of ${module}/go.mod cannot be built\n`);
    if (process.env.CI !== undefined && process.env.CI !== '') process.exitCode = 1;
  }
}

// The tests run what is here.
const chosen = join(directory, '.bin');
rmSync(chosen, { recursive: true, force: true });
symlinkSync(`.bin-${kubernetes}`, chosen);
process.stdout.write(`test/e2e: against ${kubernetes}\n`);
