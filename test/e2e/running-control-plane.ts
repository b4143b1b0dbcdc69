import { join } from 'node:path';
import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { ApiClient, type Answer, type Method, type WatchEvent } from './api-client.js';
import type { ControlPlane, KubeconfigOptions } from './control-plane.js';
import type { ControlPlanePki, TokenUser } from './control-plane-pki.js';
import type { Etcd } from './etcd.js';
import type { ApiServerProgram } from './kube-apiserver.js';
import { writeKubeconfig } from './kubeconfig.js';
import {
  clusterRoleBindings,
  clusterRoles,
  type ClusterRole,
  type ClusterRoleBinding,
  type RbacObjects,
} from './rbac-objects.js';
import { untilServed } from './served-certificate.js';
import { ServerProcess } from './server-process.js';

interface Parts {
  readonly program: ApiServerProgram;
  readonly directory: string;
  readonly port: number;
  readonly pki: ControlPlanePki;
  /** Running already. */
  readonly etcd: Etcd;
  /** Removes the directory, where it is ours. */
  readonly remove: () => void;
}

/** One API server process and its etcd, over all the times that either is started. */
export class RunningControlPlane implements ControlPlane {
  readonly name: string;
  readonly url: string;
  readonly directory: string;
  readonly certificateAuthority: string;
  readonly adminKubeconfig: string;
  readonly tokens: Readonly<Record<TokenUser, string>>;
  readonly clusterRoles: RbacObjects<ClusterRole>;
  readonly clusterRoleBindings: RbacObjects<ClusterRoleBinding>;
  readonly #parts: Parts;
  readonly #origin: string;
  readonly #atOrigin: ApiClient;
  readonly #client: ApiClient;
  #server: ServerProcess | undefined;

  constructor(parts: Parts) {
    const { program, directory, port, pki } = parts;
    this.#parts = parts;
    this.#origin = `https://127.0.0.1:${port}`;
    this.name = program.name;
    this.url = `${this.#origin}${program.basePath}`;
    this.directory = directory;
    this.tokens = pki.tokens;
    this.certificateAuthority = pki.files.servingCa;
    const credentials = () => ({ authorities: pki.servingAuthorities(), certificate: pki.admin });
    this.#atOrigin = new ApiClient(this.#origin, credentials);
    this.#client = new ApiClient(this.url, credentials);
    const send = this.request.bind(this);
    this.clusterRoles = clusterRoles(send);
    this.clusterRoleBindings = clusterRoleBindings(send);
    this.adminKubeconfig = this.kubeconfigFor({
      user: { certificate: pki.admin },
      file: join(directory, 'admin.kubeconfig'),
    });
  }

  /** Where it is not running. */
  async start(): Promise<void> {
    const { program, directory, port, pki, etcd } = this.#parts;
    this.#server = await ServerProcess.start({
      name: program.name,
      binary: program.binary,
      args: program.args({ directory, port, etcdUrl: etcd.url, files: pki.files }),
      logFile: join(directory, 'api-server.log'),
      isReady: () => this.#isReady(),
    });
  }

  issueClient(user: string, groups: readonly string[] = []): Promise<IssuedCertificate> {
    return this.#parts.pki.issueClient(user, groups);
  }

  kubeconfigFor({ user, file, through, basePath }: KubeconfigOptions): string {
    const { program } = this.#parts;
    writeKubeconfig(file, {
      server: `${through?.origin ?? this.#origin}${basePath ?? program.basePath}`,
      certificateAuthority:
        through?.certificateAuthority === undefined
          ? { file: this.certificateAuthority }
          : { pem: through.certificateAuthority },
      user,
    });
    return file;
  }

  request(method: Method, path: string, body?: unknown): Promise<Answer> {
    return this.#client.request(method, path, body);
  }

  watch(path: string, signal?: AbortSignal): AsyncGenerator<WatchEvent, void, void> {
    return this.#client.watch(path, signal);
  }

  async kill(): Promise<void> {
    await this.#server?.kill();
  }

  pause(): void {
    this.#server?.pause();
  }

  resume(): void {
    this.#server?.resume();
  }

  async restart(): Promise<void> {
    await this.#server?.end();
    await this.start();
  }

  async compact(): Promise<void> {
    await this.#parts.etcd.compact();
    await this.restart();
  }

  async loseData(): Promise<void> {
    await this.kill();
    await this.#parts.etcd.wipe();
    await this.start();
  }

  async rotateServingCertificate({ newCa = false }: { readonly newCa?: boolean } = {}): Promise<void> {
    const { pki, port } = this.#parts;
    const { certificatePem } = await pki.renewServing(newCa);
    await untilServed(port, certificatePem);
    pki.publishServingAuthority();
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.#parts.etcd.stop();
    this.#parts.remove();
  }

  /** kcp says that it is ready before its root workspace is. */
  async #isReady(): Promise<boolean> {
    const ready = await this.#atOrigin.request('GET', '/readyz');
    if (ready.status !== 200) return false;
    return (await this.request('GET', `${this.clusterRoles.path}?limit=1`)).status === 200;
  }
}
