// Builds what the matrix runs and is not there yet: the programs of the Go modules here, Prometheus, and an environment
// of Python. What cannot be had is named; the matrix then skips it by name.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const directory = fileURLToPath(new URL('.', import.meta.url));
const build = fileURLToPath(new URL('../e2e/build.mjs', import.meta.url));

/** @param {string} program @param {readonly string[]} args */
function run(program, args) {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  return error === undefined && status === 0;
}

// Kubernetes, for the operator.
if (!run(process.execPath, [build])) process.stderr.write('kube-apiserver: cannot be had\n');
for (const module of ['../e2e/prometheus', 'prometheus-operator', 'victoriametrics', 'telegraf', 'expfmt']) {
  if (!run(process.execPath, [build, join(directory, module)]))
    process.stderr.write(`${module}: cannot be had\n`);
}

const requirements = join(directory, 'prometheus-client/requirements.txt');
const environment = join(directory, '.bin-prometheus-client');
const built = join(environment, 'requirements.txt');
const wanted = readFileSync(requirements, 'utf8');
if (!existsSync(built) || readFileSync(built, 'utf8') !== wanted) {
  rmSync(environment, { recursive: true, force: true });
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
  if (run('python3', ['-m', 'venv', environment]) && run(join(environment, 'bin/python'), pip)) {
    writeFileSync(built, wanted);
  } else {
    rmSync(environment, { recursive: true, force: true });
    process.stderr.write('prometheus-client: cannot be had\n');
  }
}
