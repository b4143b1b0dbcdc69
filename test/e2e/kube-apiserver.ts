import { kubeApiserverBinary } from './binaries.js';
import type { PkiFiles } from './control-plane-pki.js';

/** A program that serves a Kubernetes API from etcd: kube-apiserver, or one of kcp's servers. */
export interface ApiServerProgram {
  /** For messages. */
  readonly name: string;
  readonly binary: string;
  /** Where the API is that holds the policy: empty, or `/clusters/root`. */
  readonly basePath: string;
  args(place: ApiServerPlace): readonly string[];
}

/** What a program is started with. */
export interface ApiServerPlace {
  /** Its own. */
  readonly directory: string;
  readonly port: number;
  readonly etcdUrl: string;
  readonly files: PkiFiles;
}

/** Flags that kube-apiserver and kcp's servers share. */
export function servingArgs({ port, etcdUrl, files }: ApiServerPlace): readonly string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--tls-cert-file=${files.servingCertificate}`,
    `--tls-private-key-file=${files.servingKey}`,
    `--client-ca-file=${files.clientCa}`,
  ];
}

/** With RBAC, and everything else as the release has it. Nobody is anonymous. */
export const kubeApiserver: ApiServerProgram = {
  name: 'kube-apiserver',
  binary: kubeApiserverBinary,
  basePath: '',
  args: (place) => [
    ...servingArgs(place),
    // Nobody reaches it from elsewhere, and it needs no network but the loopback.
    '--advertise-address=127.0.0.1',
    '--endpoint-reconciler-type=none',
    '--service-cluster-ip-range=10.0.0.0/24',
    '--authorization-mode=RBAC',
    '--anonymous-auth=false',
    `--token-auth-file=${place.files.tokens}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${place.files.serviceAccountPublicKey}`,
    `--service-account-signing-key-file=${place.files.serviceAccountKey}`,
    // Asked to end, it ends its watches at once. By default it waits a minute for them.
    '--shutdown-watch-termination-grace-period=5s',
  ],
};
