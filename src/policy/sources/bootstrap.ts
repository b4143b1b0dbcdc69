import { readFileSync } from 'node:fs';
import type { PolicyObject } from '../objects.js';
import { parseManifest } from './manifest.js';

let objects: readonly PolicyObject[] | undefined;

/** What kcp itself installs in `system:admin`, as `rbac/bootstrap-policy.yaml` of this package has it; read once. */
export function bootstrapPolicy(): readonly PolicyObject[] {
  // src/policy-sources and dist/policy-sources both lie two levels below the package's root.
  objects ??= parseManifest(
    readFileSync(new URL('../../../rbac/bootstrap-policy.yaml', import.meta.url), 'utf8'),
    'rbac/bootstrap-policy.yaml',
  ).objects;
  return objects;
}

/**
 * All of kcp's own roles and bindings that one of the root workspace may name: the bootstrap policy, and its other
 * roles by their names alone. They grant no path, but a binding to one of them is no binding to a missing role.
 */
export function bootstrapObjects(): readonly PolicyObject[] {
  return [
    ...bootstrapPolicy(),
    ...rolesWithoutPaths.map((name): PolicyObject => ({ kind: 'ClusterRole', name, rules: [] })),
  ];
}

/** In `system:admin` of a running kcp; none of their rules holds nonResourceURLs. */
const rolesWithoutPaths: readonly string[] = `
  admin
  edit
  system:aggregate-to-admin
  system:aggregate-to-edit
  system:aggregate-to-view
  system:auth-delegator
  system:basic-user
  system:certificates.k8s.io:certificatesigningrequests:nodeclient
  system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
  system:certificates.k8s.io:kube-apiserver-client-approver
  system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
  system:certificates.k8s.io:kubelet-serving-approver
  system:certificates.k8s.io:legacy-unknown-approver
  system:controller:attachdetach-controller
  system:controller:certificate-controller
  system:controller:clusterrole-aggregation-controller
  system:controller:cronjob-controller
  system:controller:daemon-set-controller
  system:controller:deployment-controller
  system:controller:device-taint-eviction-controller
  system:controller:disruption-controller
  system:controller:endpoint-controller
  system:controller:endpointslice-controller
  system:controller:endpointslicemirroring-controller
  system:controller:ephemeral-volume-controller
  system:controller:expand-controller
  system:controller:generic-garbage-collector
  system:controller:horizontal-pod-autoscaler
  system:controller:job-controller
  system:controller:legacy-service-account-token-cleaner
  system:controller:namespace-controller
  system:controller:node-controller
  system:controller:persistent-volume-binder
  system:controller:pod-garbage-collector
  system:controller:pv-protection-controller
  system:controller:pvc-protection-controller
  system:controller:replicaset-controller
  system:controller:replication-controller
  system:controller:resource-claim-controller
  system:controller:resourcequota-controller
  system:controller:root-ca-cert-publisher
  system:controller:route-controller
  system:controller:selinux-warning-controller
  system:controller:service-account-controller
  system:controller:service-cidrs-controller
  system:controller:service-controller
  system:controller:statefulset-controller
  system:controller:ttl-after-finished-controller
  system:controller:ttl-controller
  system:controller:validatingadmissionpolicy-status-controller
  system:controller:volumeattributesclass-protection-controller
  system:heapster
  system:kcp:logical-cluster-admin
  system:kcp:tenancy:reader
  system:kube-aggregator
  system:kube-controller-manager
  system:kube-dns
  system:kube-scheduler
  system:kubelet-api-admin
  system:node
  system:node-bootstrapper
  system:node-problem-detector
  system:node-proxier
  system:persistent-volume-provisioner
  system:volume-scheduler
  view
`
  .trim()
  .split(/\s+/);
