import type { PolicyObject } from '../objects.js';

/** On which line of rbac/bootstrap-policy.yaml a role stands, its name, and the verb and the paths of its only rule. */
const roles = rows(`
  6 cluster-admin * *
  16 system:discovery
     get /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/
  36 system:kcp:external-logical-cluster-admin access /
  46 system:kcp:metrics-reader get /metrics
  56 system:kcp:tenancy:workspace-bootstrapper * *
  66 system:kcp:workspace:access access /
  76 system:monitoring
     get /flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz
  95 system:public-info-viewer get /healthz /livez /readyz /version /version/
  109 system:service-account-issuer-discovery
     get /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/
`);

/** The same of a binding: its name, the role's, and the groups it is bound to. */
const bindings = rows(`
  122 cluster-admin cluster-admin system:masters
  135 system:discovery system:discovery system:authenticated
  148 system:kcp:admin:cluster-admin cluster-admin system:kcp:admin
  161 system:kcp:external-logical-cluster-admin
     system:kcp:external-logical-cluster-admin system:kcp:external-logical-cluster-admin
  174 system:kcp:tenancy:workspace-bootstrapper system:kcp:tenancy:workspace-bootstrapper
     system:kcp:tenancy:workspace-bootstrapper apis.kcp.io:binding:system:kcp:tenancy:workspace-bootstrapper
  190 system:monitoring system:monitoring system:monitoring
  203 system:public-info-viewer system:public-info-viewer system:authenticated system:unauthenticated
  219 system:service-account-issuer-discovery
     system:service-account-issuer-discovery system:serviceaccounts
`);

const origin = (line: string): string => `rbac/bootstrap-policy.yaml:${line}`;
const objects: readonly PolicyObject[] = [
  ...roles.map(([line, name, verb, ...paths]): PolicyObject => ({
    kind: 'ClusterRole',
    name,
    rules: [{ verbs: [verb], nonResourceURLs: paths }],
    origin: origin(line),
  })),
  ...bindings.map(([line, name, role, ...groups]): PolicyObject => ({
    kind: 'ClusterRoleBinding',
    name,
    role,
    subjects: groups.map((group) => ({ kind: 'Group', name: group })),
    replicated: false,
    origin: origin(line),
  })),
];

/**
 * What kcp itself installs in `system:admin`. This package's `rbac/bootstrap-policy.yaml` holds it for people: to load
 * the YAML library and to read that file would hold up the event loop for longer than anything that follows.
 */
export function bootstrapPolicy(): readonly PolicyObject[] {
  return objects;
}

/**
 * All of kcp's own roles and bindings that the root workspace may refer to: the bootstrap policy, and its other roles by
 * name only. These grant no path, but a binding to one of them does not refer to a missing role.
 */
export function bootstrapObjects(): readonly PolicyObject[] {
  return [
    ...bootstrapPolicy(),
    ...rolesWithoutPaths.map((name): PolicyObject => ({ kind: 'ClusterRole', name, rules: [] })),
  ];
}

/** In `system:admin` of a running kcp; none of their rules holds nonResourceURLs. */
const rolesWithoutPaths: readonly string[] = [
  ...words(`admin edit view`),
  ...words(`
    aggregate-to-admin aggregate-to-edit aggregate-to-view auth-delegator basic-user
    certificates.k8s.io:certificatesigningrequests:nodeclient
    certificates.k8s.io:certificatesigningrequests:selfnodeclient
    certificates.k8s.io:kube-apiserver-client-approver
    certificates.k8s.io:kube-apiserver-client-kubelet-approver
    certificates.k8s.io:kubelet-serving-approver certificates.k8s.io:legacy-unknown-approver heapster
    kcp:logical-cluster-admin kcp:tenancy:reader kube-aggregator kube-controller-manager kube-dns
    kube-scheduler kubelet-api-admin node node-bootstrapper node-problem-detector node-proxier
    persistent-volume-provisioner volume-scheduler
  `).map((name) => `system:${name}`),
  ...words(`
    attachdetach-controller certificate-controller clusterrole-aggregation-controller cronjob-controller
    daemon-set-controller deployment-controller device-taint-eviction-controller disruption-controller
    endpoint-controller endpointslice-controller endpointslicemirroring-controller
    ephemeral-volume-controller expand-controller generic-garbage-collector horizontal-pod-autoscaler
    job-controller legacy-service-account-token-cleaner namespace-controller node-controller
    persistent-volume-binder pod-garbage-collector pv-protection-controller pvc-protection-controller
    replicaset-controller replication-controller resource-claim-controller resourcequota-controller
    root-ca-cert-publisher route-controller selinux-warning-controller service-account-controller
    service-cidrs-controller service-controller statefulset-controller ttl-after-finished-controller
    ttl-controller validatingadmissionpolicy-status-controller
    volumeattributesclass-protection-controller
  `).map((name) => `system:controller:${name}`),
];

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}

/** Each begins with a number, on a line of its own. */
function rows(text: string): readonly (readonly [string, string, string, ...string[]])[] {
  return text
    .split(/\n(?=\s*\d)/)
    .slice(1)
    .map((row) => words(row) as [string, string, string, ...string[]]);
}
