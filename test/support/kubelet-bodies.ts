/** What a kubelet serves of three pods, cut down to some families of each path; the shapes are those of Kubernetes 1.37. */
export const kubeletNode = 'host-1';

/** A pod as the kubelet names it, and as its owner does. */
export interface KnownPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export const ownPod: KnownPod = { namespace: 'team-a', name: 'web-0-x-default-x-dev', uid: '5c5ba73a-0001' };
const foreignPod: KnownPod = { namespace: 'team-b', name: 'ledger-0-x-default-x-dev', uid: '5c5ba73a-0002' };
const hostPod: KnownPod = { namespace: 'kube-system', name: 'etcd-host-1', uid: '5c5ba73a-0003' };
const all = [ownPod, foreignPod, hostPod];

/** What none but the host's own users may see of these bodies. */
export const notOwn = /team-|-x-|kube-system|etcd|ledger|machine_|node_|kubelet_running|claim|host-1-/;

const text = (...lines: readonly string[]): string => `${lines.join('\n')}\n`;
const family = (name: string, type: string, help: string, ...samples: readonly string[]): string =>
  text(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples).trimEnd();

const cadvisor = text(
  family(
    'container_cpu_usage_seconds_total',
    'counter',
    'Cumulative cpu time consumed in seconds.',
    'container_cpu_usage_seconds_total{container="",cpu="total",id="/",image="",name="",namespace="",pod=""} 81.25 1795262024000',
    'container_cpu_usage_seconds_total{container="",cpu="total",id="/system.slice/kubelet.service",image="",name="",namespace="",pod=""} 7.5 1795262024000',
    ...all.map(
      ({ namespace, name, uid }, at) =>
        `container_cpu_usage_seconds_total{container="main",cpu="total",id="/kubepods/burstable/pod${uid}/c${at}",image="registry.example/app:1",name="c${at}",namespace="${namespace}",pod="${name}"} ${at + 1}.5 1795262024000`,
    ),
  ),
  family(
    'container_memory_working_set_bytes',
    'gauge',
    'Current working set in bytes.',
    ...all.map(
      ({ namespace, name }, at) =>
        `container_memory_working_set_bytes{container="main",id="/c${at}",image="",name="c${at}",namespace="${namespace}",pod="${name}"} ${(at + 1) * 1048576} 1795262024000`,
    ),
  ),
  family(
    'machine_memory_bytes',
    'gauge',
    'Amount of memory installed on the machine.',
    'machine_memory_bytes{boot_id="b",machine_id="m",system_uuid="s"} 1.6e+10',
  ),
);

const resource = text(
  family(
    'container_start_time_seconds',
    'gauge',
    'Start time of the container since unix epoch in seconds.',
    ...all.map(
      ({ namespace, name }) =>
        `container_start_time_seconds{container="main",namespace="${namespace}",pod="${name}"} 1.7952620245e+09`,
    ),
  ),
  family(
    'node_cpu_usage_seconds_total',
    'counter',
    'Cumulative cpu time consumed by the node in core-seconds.',
    'node_cpu_usage_seconds_total 181.25 1795262024000',
  ),
  family(
    'pod_memory_working_set_bytes',
    'gauge',
    'Current working set of the pod in bytes.',
    ...all.map(
      ({ namespace, name }, at) =>
        `pod_memory_working_set_bytes{namespace="${namespace}",pod="${name}"} ${at} 1795262024000`,
    ),
  ),
  family('resource_scrape_error', 'gauge', '1 if there was an error.', 'resource_scrape_error 0'),
);

const probes = text(
  family(
    'prober_probe_total',
    'counter',
    'Cumulative number of a liveness, readiness or startup probe for a container by result.',
    ...all.map(
      ({ namespace, name, uid }, at) =>
        `prober_probe_total{container="main",namespace="${namespace}",pod="${name}",pod_uid="${uid}",probe_type="Liveness",result="successful"} ${at + 3}`,
    ),
  ),
);

const metrics = text(
  family(
    'kubelet_running_pods',
    'gauge',
    'Number of pods that have a running pod sandbox.',
    'kubelet_running_pods 3',
  ),
  family(
    'kubelet_volume_stats_used_bytes',
    'gauge',
    'Number of used bytes in the volume.',
    ...all.map(
      ({ namespace }) =>
        `kubelet_volume_stats_used_bytes{namespace="${namespace}",persistentvolumeclaim="claim-x-default-x-dev"} 9`,
    ),
  ),
  family(
    'kubelet_started_pods_errors',
    'counter',
    'Not of a kubelet: a family with labels of pods on this path.',
    ...all.map(
      ({ namespace, name }) => `kubelet_started_pods_errors{pod="${name}",namespace="${namespace}"} 0`,
    ),
  ),
);

const time = '2026-11-30T02:33:44Z';
const bytes = {
  time,
  availableBytes: 9,
  capacityBytes: 10,
  usedBytes: 1,
  inodesFree: 3,
  inodes: 4,
  inodesUsed: 1,
};

export function summaryOf(pods: readonly KnownPod[]): object {
  return {
    node: {
      nodeName: kubeletNode,
      systemContainers: [{ name: 'kubelet', startTime: time, cpu: { time, usageNanoCores: 4 } }],
      startTime: time,
      cpu: { time, usageNanoCores: 1, usageCoreNanoSeconds: 2 },
      memory: { time, workingSetBytes: 16000000000 },
      network: { time, name: 'host-1-eth0', rxBytes: 1 },
      fs: bytes,
      runtime: { imageFs: bytes },
      rlimit: { time, maxpid: 4194304, curproc: 312 },
    },
    pods: pods.map(({ namespace, name, uid }, at) => ({
      podRef: { name, namespace, uid },
      startTime: time,
      containers: [
        {
          name: 'main',
          startTime: time,
          cpu: { time, usageNanoCores: at, usageCoreNanoSeconds: 2 },
          memory: {
            time,
            usageBytes: 2,
            workingSetBytes: 1048576,
            rssBytes: 1,
            pageFaults: 0,
            majorPageFaults: 0,
          },
          rootfs: bytes,
          logs: bytes,
        },
      ],
      cpu: { time, usageNanoCores: at },
      memory: { time, workingSetBytes: 1048576 },
      network: { time, name: 'eth0', rxBytes: 1, rxErrors: 0, txBytes: 1, txErrors: 0, interfaces: [] },
      volume: [{ ...bytes, name: 'data', pvcRef: { name: `claim-x-default-x-dev`, namespace } }],
      'ephemeral-storage': bytes,
      process_stats: { process_count: 1 },
    })),
  };
}

export const kubeletBodies: Readonly<Record<string, string>> = {
  '/metrics': metrics,
  '/metrics/cadvisor': cadvisor,
  '/metrics/resource': resource,
  '/metrics/probes': probes,
  '/stats/summary': JSON.stringify(summaryOf(all), null, 1),
};
