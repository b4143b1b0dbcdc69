import cluster from 'node:cluster';

/** Says to a process that it is a worker of this program, and no other cluster's. */
export const workerVariable = 'KCP_METRICS_FILTER_WORKER';

export function isWorkerProcess(): boolean {
  return cluster.isWorker && process.env[workerVariable] === 'true';
}
