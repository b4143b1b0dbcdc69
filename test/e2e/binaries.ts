import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isRequired } from '../support/required.js';

const inBin = (name: string, bin = '.bin'): string =>
  fileURLToPath(new URL(`${bin}/${name}`, import.meta.url));

/** Where build.mjs leaves them. */
export const etcdBinary = inBin('etcd');
export const kubeApiserverBinary = inBin('kube-apiserver');
export const prometheusBinary = inBin('prometheus', '.bin-prometheus');

/** kcp's own, where somebody has them; nobody builds them here. */
export const kcpBinary = process.env['KCP_BIN'];
export const cacheServerBinary = process.env['CACHE_SERVER_BIN'];

const isBuilt = existsSync(etcdBinary) && existsSync(kubeApiserverBinary);

/** What is missing for any of the tests; undefined where nothing is. */
export const missing = isBuilt
  ? undefined
  : 'kube-apiserver and etcd are not built (node test/e2e/build.mjs, which needs Go)';

/** For `describe.skipIf`. Where it is false and something is missing, the start of a control plane fails. */
export const isSkipped = missing !== undefined && !isRequired;

/** For `describe.skipIf`, of the tests that run Prometheus. */
export const isPrometheusSkipped = !existsSync(prometheusBinary) && !isRequired;
if (isPrometheusSkipped) {
  process.stderr.write(
    'Prometheus is NOT tested: it is not built (node test/e2e/build.mjs, which needs Go)\n',
  );
}
