import { join } from 'node:path';
import { vi } from 'vitest';
import { runProcess, type Finished } from '../support/started-server.js';
import { isAllowed } from './access-review.js';
import type { ControlPlane } from './control-plane.js';
import type { KubeconfigUser } from './kubeconfig.js';
import { apply } from './kubernetes-objects.js';
import { grantsOneByOne, readManifest, roleOf, type Rule } from './rbac-manifest.js';
import { RunningCommand } from './running-command.js';

const annotation = 'internal.kcp.io/replicate';
/** Whom the manifest names. */
const replicator = 'metrics-replicator';
const settles = { timeout: 60_000, interval: 50 };

/** For whoever runs `replicate`. */
export const replicateManifest = readManifest('api-access/replicate.yaml');

/** As kcp has it outside the root workspace; that of Kubernetes grants resources, too. */
const kcpMonitoring = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'system:monitoring', annotations: { [annotation]: 'by hand' } },
  rules: [{ verbs: ['get'], nonResourceURLs: ['/metrics', '/metrics/slis', '/statusz'] }],
} as const;

/** A root workspace, and somebody who runs `replicate` there with what its manifest grants and no more. */
export class ReplicatedRoot {
  readonly #running: RunningCommand[] = [];

  private constructor(
    readonly controlPlane: ControlPlane,
    private readonly user: KubeconfigUser,
    private readonly kubeconfig: string,
  ) {}

  static async in(controlPlane: ControlPlane): Promise<ReplicatedRoot> {
    await apply(controlPlane, [kcpMonitoring, ...replicateManifest]);
    const user = { certificate: await controlPlane.issueClient(replicator) };
    const file = join(controlPlane.directory, 'replicator.kubeconfig');
    const root = new ReplicatedRoot(controlPlane, user, controlPlane.kubeconfigFor({ user, file }));
    for (const grant of grantsOneByOne(roleOf(replicateManifest).rules)) await root.untilGranted(grant, true);
    return root;
  }

  replicateOnce(...flags: readonly string[]): Promise<Finished> {
    return runProcess(['replicate', `--root-kubeconfig=${this.kubeconfig}`, '--once', ...flags]);
  }

  /** Goes on until it is stopped; `stopAll` does that, too. */
  replicate(...flags: readonly string[]): RunningCommand {
    return this.#start(this.kubeconfig, ...flags);
  }

  /** The same on another way to the API server. */
  replicateThrough(through: { readonly origin: string }): RunningCommand {
    const file = join(this.controlPlane.directory, 'replicator-through.kubeconfig');
    return this.#start(this.controlPlane.kubeconfigFor({ user: this.user, file, through }));
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((command) => command.stop()));
  }

  /** Its ClusterRole and binding have the same name. */
  async grant(name: string, ...nonResourceURLs: readonly string[]): Promise<void> {
    await this.controlPlane.clusterRoles.create({ name, rules: [{ verbs: ['get'], nonResourceURLs }] });
    await this.bind(name, name);
  }

  async bind(name: string, role: string, replicate?: string): Promise<void> {
    await this.controlPlane.clusterRoleBindings.create({
      name,
      role,
      subjects: [{ kind: 'User', name: 'prometheus' }],
      ...(replicate === undefined ? {} : { annotations: { [annotation]: replicate } }),
    });
  }

  annotationOfRole(name: string): Promise<string | undefined> {
    return this.#annotation(`${this.controlPlane.clusterRoles.path}/${name}`);
  }

  annotationOfBinding(name: string): Promise<string | undefined> {
    return this.#annotation(`${this.controlPlane.clusterRoleBindings.path}/${name}`);
  }

  /** `null` removes one. */
  async annotateBinding(name: string, annotations: Readonly<Record<string, string | null>>): Promise<void> {
    const path = `${this.controlPlane.clusterRoleBindings.path}/${name}`;
    const { status } = await this.controlPlane.request('PATCH', path, { metadata: { annotations } });
    if (status !== 200) throw new Error(`${status} to a patch of ${name}`);
  }

  /** The resourceVersion of every object: the same where nobody has changed anything. */
  async versions(): Promise<ReadonlyMap<string, string>> {
    const { clusterRoles, clusterRoleBindings } = this.controlPlane;
    const versions = new Map<string, string>();
    for (const { path } of [clusterRoles, clusterRoleBindings]) {
      const { body } = await this.controlPlane.request('GET', path);
      const { items } = body as { items: { metadata: { name: string; resourceVersion: string } }[] };
      for (const { metadata } of items) versions.set(`${path}/${metadata.name}`, metadata.resourceVersion);
    }
    return versions;
  }

  /** Waits for the API server's authorizer, which follows its own objects. */
  async untilGranted(
    { verbs, apiGroups, resources, resourceNames, nonResourceURLs }: Rule,
    expected: boolean,
  ): Promise<void> {
    const [verb = '', group = '', resource, name] = [
      verbs[0],
      apiGroups?.[0],
      resources?.[0],
      resourceNames?.[0],
    ];
    const question =
      resource === undefined
        ? { nonResourceAttributes: { verb, path: nonResourceURLs?.[0] ?? '' } }
        : { resourceAttributes: { verb, group, resource, ...(name === undefined ? {} : { name }) } };
    const isSettled = async () =>
      (await isAllowed(this.controlPlane, { user: replicator, ...question })) === expected;
    await vi.waitUntil(isSettled, settles);
  }

  /** As on the first day: nobody wants these replicated, nor the role of the same name. */
  async forget(bindings: readonly string[]): Promise<void> {
    const patch = { metadata: { annotations: { [annotation]: null } } };
    const { clusterRoles, clusterRoleBindings } = this.controlPlane;
    for (const name of bindings) {
      await this.controlPlane.request('PATCH', `${clusterRoleBindings.path}/${name}`, patch);
      // Not every binding has one.
      await this.controlPlane.request('PATCH', `${clusterRoles.path}/${name}`, patch);
    }
  }

  #start(kubeconfig: string, ...flags: readonly string[]): RunningCommand {
    const command = new RunningCommand(['replicate', `--root-kubeconfig=${kubeconfig}`, ...flags]);
    this.#running.push(command);
    return command;
  }

  async #annotation(path: string): Promise<string | undefined> {
    const { body } = await this.controlPlane.request('GET', path);
    const { metadata } = body as { metadata: { annotations?: Readonly<Record<string, string>> } };
    return metadata.annotations?.[annotation];
  }
}
