import { readFileSync } from 'node:fs';
import { packageRoot } from '../../own-package.js';
import type { PolicyObject } from '../objects.js';
import { parseManifest } from './manifest.js';

let objects: readonly PolicyObject[] | undefined;

/** What kcp itself installs in `system:admin`: this package's `rbac/bootstrap-policy.yaml`, read once. */
export function bootstrapPolicy(): readonly PolicyObject[] {
  const file = 'rbac/bootstrap-policy.yaml';
  objects ??= parseManifest(readFileSync(new URL(file, packageRoot), 'utf8'), file).objects;
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
