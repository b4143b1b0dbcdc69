import type { IncomingMessage, ServerResponse } from 'node:http';
import { Counter, Histogram, type Registry } from 'prom-client';
import { clusterName, clusterPath } from '../../paths/classify.js';
import { tell } from '../../tell.js';
import { register } from '../metric-table.js';

interface AnsweredInWorkspace {
  /** As it was asked for, with its scope. */
  readonly path: string;
  /** Whether it was for a resource, and served. */
  readonly isServedResource: boolean;
  readonly code: string;
  readonly seconds: number;
  readonly bodyBytes: number | undefined;
}

const scope = /^\/clusters\/([^/]+)(?:\/|$)/;
const secondsBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const sizeBuckets = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

type Labels = Readonly<Record<string, string>>;

/**
 * Requests below `/clusters/<workspace>/`, by workspace. A client can ask for any name, and what it makes up must neither
 * grow the registry nor take the place of a real one: only workspaces that answered are counted by name.
 */
export class WorkspaceRequests {
  readonly #metrics;
  readonly #labels = new Map<string, Labels>();
  readonly #unnamed: Labels;

  /**
   * @param label of the logical cluster, as the filter's workspace label names it.
   * @param maxWorkspaces that are counted by name; others are counted together, under an empty one.
   * @param workspaceOf the name of the logical cluster that answered. Default: the name in the path, once a request for a
   * resource was served there; a workspace's path (`root:org`) is no name.
   * @throws Error where the registry already holds one of the names.
   */
  constructor(
    registry: Registry,
    private readonly label: string,
    private readonly maxWorkspaces: number,
    private readonly workspaceOf?: (request: IncomingMessage, response: ServerResponse) => string | undefined,
  ) {
    this.#unnamed = { [label]: '' };
    const histogram = (name: string, help: string, buckets: number[]) => () =>
      new Histogram({ name, help, labelNames: [label], buckets, registers: [registry] });
    this.#metrics = register(registry, {
      total: () =>
        new Counter({
          name: 'apiserver_workspace_request_total',
          help: 'Requests for one workspace, by logical cluster and HTTP response code.',
          labelNames: [label, 'code'],
          registers: [registry],
        }),
      seconds: histogram(
        'apiserver_workspace_request_duration_seconds',
        'How long requests for one workspace took.',
        secondsBuckets,
      ),
      sizes: histogram(
        'apiserver_workspace_response_sizes',
        'Sizes of answers in bytes for one workspace.',
        sizeBuckets,
      ),
    });
  }

  /** Requests outside of all workspaces are not counted. */
  answered(request: IncomingMessage, response: ServerResponse, answered: AnsweredInWorkspace): void {
    const { path, isServedResource, code, seconds, bodyBytes } = answered;
    const [, asked] = scope.exec(path) ?? [];
    if (asked === undefined) return;
    let name: string | undefined;
    const { workspaceOf } = this;
    if (workspaceOf !== undefined) {
      tell('apiserverMetrics', () => {
        name = workspaceOf(request, response);
      });
    } else if (isServedResource || this.#labels.has(asked)) name = asked;
    const labels = this.#labelsOf(name);
    this.#metrics.total.inc({ ...labels, code });
    this.#metrics.seconds.observe(labels, seconds);
    if (bodyBytes !== undefined) this.#metrics.sizes.observe(labels, bodyBytes);
  }

  #labelsOf(name: string | undefined): Labels {
    if (name === undefined || !clusterName.test(name) || !clusterPath.test(name)) return this.#unnamed;
    const known = this.#labels.get(name);
    if (known !== undefined) return known;
    if (this.#labels.size >= this.maxWorkspaces) return this.#unnamed;
    const labels = { [this.label]: name };
    this.#labels.set(name, labels);
    return labels;
  }
}
