import type { IssuedCertificate } from '../../src/pki/throwaway-pki.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import type { Answer, Method, WatchEvent } from './api-client.js';
import { createControlPlanePki, type ControlPlanePki, type TokenUser } from './control-plane-pki.js';
import { startEtcd } from './etcd.js';
import { freePort } from './free-port.js';
import { kubeApiserver, type ApiServerProgram } from './kube-apiserver.js';
import type { KubeconfigUser } from './kubeconfig.js';
import { tellGuard } from './orphans.js';
import type { ClusterRole, ClusterRoleBinding, RbacObjects } from './rbac-objects.js';
import { RunningControlPlane } from './running-control-plane.js';

export interface KubeconfigOptions {
  readonly user: KubeconfigUser;
  /** Where it is written. */
  readonly file: string;
  /** The way there; default: none. A proxy that ends TLS brings its own authority, and drops client certificates. */
  readonly through?: { readonly origin: string; readonly certificateAuthority?: string };
  /** Path of the server's URL; default: where the policy is (`/clusters/root` for kcp). */
  readonly basePath?: string;
}

/**
 * An API server with a store of its own, and every fault it can have. Its URL stays the same over all of them.
 *
 *     const controlPlane = await startControlPlane();
 *     await controlPlane.clusterRoleBindings.create({ name: 'scrapers', role: 'reader', subjects: [...] });
 *     await controlPlane.kill();
 *     await controlPlane.restart();
 *     await controlPlane.stop();
 */
export interface ControlPlane {
  readonly name: string;
  /** `https://127.0.0.1:<port>` and the path below which its API is; for kcp `/clusters/root`. */
  readonly url: string;
  /** For files of the test; gone after `stop()`, unless it was there before. */
  readonly directory: string;
  /** File of the authority of its serving certificate. */
  readonly certificateAuthority: string;
  /** File of a kubeconfig with a client certificate in system:masters. */
  readonly adminKubeconfig: string;
  /**
   * Bearer tokens of the users `watcher` and `stranger`, who are granted nothing yet. A kcp cache server knows no
   * tokens, and takes whoever comes with one as anonymous.
   */
  readonly tokens: Readonly<Record<TokenUser, string>>;
  /** A client certificate that it believes. */
  issueClient(user: string, groups?: readonly string[]): Promise<IssuedCertificate>;
  /** Writes a kubeconfig whose authority is a file, and so follows `rotateServingCertificate`; returns its path. */
  kubeconfigFor(options: KubeconfigOptions): string;

  /** As admin, below `url`. Rejects without an answer within 10 s; any status resolves. */
  request(method: Method, path: string, body?: unknown): Promise<Answer>;
  /** As admin, below `url`: its events until it ends. Throws when it is refused, breaks, or the signal ends it. */
  watch(path: string, signal?: AbortSignal): AsyncGenerator<WatchEvent, void, void>;
  /** As admin; see RbacObjects. */
  readonly clusterRoles: RbacObjects<ClusterRole>;
  readonly clusterRoleBindings: RbacObjects<ClusterRoleBinding>;

  /** The API server dies (SIGKILL); its connections are reset and its port is closed until `restart()`. */
  kill(): Promise<void>;
  /** The API server stands still (SIGSTOP): connections are taken and stay open, and nothing answers. */
  pause(): void;
  resume(): void;
  /** As an upgrade does it: asked to end (SIGTERM) unless it was killed, and started again with its data. */
  restart(): Promise<void>;
  /**
   * The past is forgotten: a resourceVersion or a continue token from before is 410. etcd is compacted, and the
   * API server restarted as by `restart()`, since its watch cache goes on remembering what etcd does not.
   */
  compact(): Promise<void>;
  /** Both are killed and come back without data: another server, whose resourceVersions begin anew. */
  loseData(): Promise<void>;
  /**
   * Resolves when another certificate is served to new connections; open ones stay as they are. With a new CA,
   * the kubeconfigs' authority file has the new one alone, which is written after the certificate is served.
   */
  rotateServingCertificate(options?: { readonly newCa?: boolean }): Promise<void>;
  /** Ends all of it, in whatever state it is. */
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  /** One that is there, and stays; default: a temporary one. */
  readonly directory?: string;
  /** Default: kube-apiserver. */
  readonly program?: ApiServerProgram;
  /** Default: a free one. */
  readonly port?: number;
  /** Keys and certificates that it shares with others; default: its own. */
  readonly pki?: ControlPlanePki;
}

/** Starts etcd and an API server on free ports of 127.0.0.1, with throwaway keys. Resolves when it is ready. */
export async function startControlPlane({
  directory,
  program = kubeApiserver,
  port,
  pki,
}: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const place: Place = directory === undefined ? ownPlace() : { path: directory, remove: () => undefined };
  const keys = pki ?? (await createControlPlanePki(place.path));
  const etcd = await startEtcd(place.path).catch((error: unknown) => {
    place.remove();
    throw error;
  });
  const controlPlane = new RunningControlPlane({
    program,
    directory: place.path,
    port: port ?? (await freePort()),
    pki: keys,
    etcd,
    remove: place.remove,
  });
  try {
    await controlPlane.start();
  } catch (error) {
    await controlPlane.stop();
    throw error;
  }
  return controlPlane;
}

interface Place {
  readonly path: string;
  readonly remove: () => void;
}

/** A temporary directory, removed by whoever made it. */
export function ownPlace(): Place {
  const directory = temporaryDirectory();
  tellGuard('made', directory.path);
  return {
    path: directory.path,
    remove: () => {
      directory.remove();
      tellGuard('removed', directory.path);
    },
  };
}
