// Builds what the end-to-end tests run: kube-apiserver and etcd of one version of Kubernetes, helm and Prometheus; or, with
// arguments, what is declared in these folders. Each folder with a go.mod declares tools, and has its own versions of
// Kubernetes' libraries; they are built into .bin-FOLDER/ beside it. Does nothing where they are there already; takes some
// twenty minutes the first time, for Go to compile all of Kubernetes.
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
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const directory = fileURLToPath(new URL('.', import.meta.url));
const kubernetes = `kubernetes-${kubernetesVersion()}`;
const named = process.argv.slice(2).map((folder) => resolve(folder));
const modules =
  named.length > 0 ? named : [kubernetes, 'helm', 'prometheus'].map((name) => join(directory, name));

/** @param {string} version */
const ofKubernetes = (version) => {
  const [, major = '', minor = ''] = /^v(\d+)\.(\d+)\./.exec(version) ?? [];
  const room = 'k8s.io/component-base/version';
  // Without it, the server says v0.0.0.
  return { [`${room}.gitVersion`]: version, [`${room}.gitMajor`]: major, [`${room}.gitMinor`]: minor };
};
/** Release 3.16.0 is the module's v0.316.0. @param {string} version */
const ofPrometheus = (version) => ({
  'github.com/prometheus/common/version.Version': version.replace(/^v0\.(\d)0?(\d+)\./, '$1.$2.'),
});
// Of all that Prometheus finds its targets by, Kubernetes alone.
const tags = 'remove_all_sd,enable_kubernetes_sd';
/**
 * By its import path: the name of its binary, build tags, and the variables that a release's build sets.
 * @type {ReadonlyMap<string, { name: string, tags?: string, variables?: (version: string) => Record<string, string> }>}
 */
const programs = new Map([
  ['k8s.io/kubernetes/cmd/kube-apiserver', { name: 'kube-apiserver', variables: ofKubernetes }],
  ['go.etcd.io/etcd/server/v3', { name: 'etcd' }],
  ['helm.sh/helm/v3/cmd/helm', { name: 'helm' }],
  ['github.com/prometheus/prometheus/cmd/prometheus', { name: 'prometheus', tags, variables: ofPrometheus }],
  ['github.com/prometheus-operator/prometheus-operator/cmd/operator', { name: 'prometheus-operator' }],
  ['github.com/prometheus/prometheus/cmd/promtool', { name: 'promtool', tags, variables: ofPrometheus }],
  ['github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics', { name: 'victoria-metrics' }],
  ['kcp-metrics-filter/test/matrix/expfmt', { name: 'expfmt' }],
  ['kcp-metrics-filter/test/matrix/telegraf', { name: 'telegraf' }],
]);

/** The one that is asked for, or the newest. */
function kubernetesVersion() {
  const versions = readdirSync(directory)
    .flatMap((name) => /^kubernetes-([\d.]+)$/.exec(name)?.[1] ?? [])
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
  const sources = readdirSync(module).filter((name) => /^go\.(?:mod|sum)$|\.go$/.test(name));
  for (const file of [...sources.sort().map((name) => join(module, name)), join(directory, 'build.mjs')]) {
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

/**
 * What it says on stderr is in `.bin-logs/`, and its end in the error.
 * @param {string} module @param {readonly string[]} args @returns {string} its stdout
 */
function go(module, args) {
  mkdirSync(join(directory, '.bin-logs'), { recursive: true });
  const file = join(directory, `.bin-logs/${basename(module)}.log`);
  const log = openSync(file, 'w');
  const { status, signal, stdout, error } = spawnSync('go', args, {
    cwd: module,
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

/** @param {string} module @param {string} built @param {string} digest */
function build(module, built, digest) {
  // Renamed as a whole at the end: a folder that is there is complete.
  const unfinished = mkdtempSync(`${built}-`);
  try {
    const tools = go(module, ['list', '-f', '{{.ImportPath}} {{.Module.Version}}', 'tool']);
    for (const line of tools.trim().split('\n')) {
      const [path = '', version = ''] = line.split(' ');
      const program = programs.get(path);
      if (program === undefined) throw new Error(`${module}/go.mod has a tool that is unknown here: ${path}`);
      const { name, tags = '', variables } = program;
      process.stdout.write(`building ${name} ${version}\n`);
      const set = Object.entries(variables?.(version) ?? {}).map(
        ([variable, value]) => `-X ${variable}=${value}`,
      );
      const ldflags = ['-s', '-w', ...set].join(' ');
      go(module, [
        'build',
        '-trimpath',
        '-tags',
        tags,
        '-ldflags',
        ldflags,
        '-o',
        join(unfinished, name),
        path,
      ]);
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
  const built = join(dirname(module), `.bin-${basename(module)}`);
  const digest = digestOfSources(module);
  if (digestOfBuilt(built) === digest) continue;
  if (hasGo) {
    build(module, built, digest);
  } else {
    // The tests go by what is built: nothing of an older go.mod may be.
    rmSync(built, { recursive: true, force: true });
    process.stderr.write(`go is not installed, so the tools of ${module}/go.mod cannot be built\n`);
    if (process.env.CI !== undefined && process.env.CI !== '') process.exitCode = 1;
  }
}

if (named.length === 0) {
  // The tests run what is here.
  const chosen = join(directory, '.bin');
  rmSync(chosen, { recursive: true, force: true });
  symlinkSync(`.bin-${kubernetes}`, chosen);
  process.stdout.write(`test/e2e: against ${kubernetes}\n`);
}
