/** What upstream's flags of the controller manager mean to the controllers. */
import type { ComponentOptions } from '../api/componentOptions.ts'
import type { ControllerFactory } from '../reconcile/controller.ts'
import type { EndpointSliceOptions } from './endpointslice/endpointslice.ts'
import type { NodeLifecycleOptions } from './nodeLifecycle/nodeLifecycle.ts'
import type { AutoscalerOptions } from './podautoscaler/plan.ts'
import type { ResourceQuotaOptions } from './resourceQuota/resourceQuota.ts'

type Flags = ComponentOptions['controller-manager']

/** By which flag the number of keys that a controller works on at once is set. */
const WORKERS: Readonly<Record<string, keyof Flags>> = {
  'cronjob-controller': 'concurrent-cron-job-syncs',
  'daemonset-controller': 'concurrent-daemonset-syncs',
  'deployment-controller': 'concurrent-deployment-syncs',
  'device-taint-eviction-controller': 'concurrent-device-taint-eviction-syncs',
  'endpoints-controller': 'concurrent-endpoint-syncs',
  'endpointslice-controller': 'concurrent-service-endpoint-syncs',
  'endpointslice-mirroring-controller': 'mirroring-concurrent-service-endpoint-syncs',
  'ephemeral-volume-controller': 'concurrent-ephemeralvolume-syncs',
  'garbage-collector-controller': 'concurrent-gc-syncs',
  'horizontal-pod-autoscaler-controller': 'concurrent-horizontal-pod-autoscaler-syncs',
  'job-controller': 'concurrent-job-syncs',
  'namespace-controller': 'concurrent-namespace-syncs',
  'replicaset-controller': 'concurrent-replicaset-syncs',
  'replicationcontroller-controller': 'concurrent-rc-syncs',
  'resourceclaim-controller': 'concurrent-resourceclaim-syncs',
  'resourcequota-controller': 'concurrent-resource-quota-syncs',
  'serviceaccount-token-controller': 'concurrent-serviceaccount-token-syncs',
  'statefulset-controller': 'concurrent-statefulset-syncs',
  'ttl-after-finished-controller': 'concurrent-ttl-after-finished-syncs',
  'validatingadmissionpolicy-status-controller': 'concurrent-validating-admission-policy-status-syncs',
}

export function withWorkers(name: string, factory: ControllerFactory, flags: Flags): ControllerFactory {
  const flag = WORKERS[name]
  const workers = flag && flags[flag]
  return typeof workers === 'number' ? (context) => ({ ...factory(context), workers }) : factory
}

const present = <T extends object>(options: { [name in keyof T]: T[name] | undefined }): Partial<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>

export const autoscalerOptions = (flags: Flags): Partial<AutoscalerOptions> =>
  present<Partial<AutoscalerOptions>>({
    syncPeriodMs: flags['horizontal-pod-autoscaler-sync-period'],
    downscaleStabilizationMs: flags['horizontal-pod-autoscaler-downscale-stabilization'],
    tolerance: flags['horizontal-pod-autoscaler-tolerance'],
    cpuInitializationMs: flags['horizontal-pod-autoscaler-cpu-initialization-period'],
    initialReadinessDelayMs: flags['horizontal-pod-autoscaler-initial-readiness-delay'],
  })

export const nodeLifecycleOptions = (flags: Flags): Partial<NodeLifecycleOptions> =>
  present<NodeLifecycleOptions>({
    graceMs: flags['node-monitor-grace-period'],
    startupGraceMs: flags['node-startup-grace-period'],
    perSecond: flags['node-eviction-rate'],
    secondaryPerSecond: flags['secondary-node-eviction-rate'],
    largeZoneNodes: flags['large-cluster-size-threshold'],
    unhealthyShare: flags['unhealthy-zone-threshold'],
  })

export const endpointSliceOptions = (flags: Flags): Partial<EndpointSliceOptions> =>
  present<EndpointSliceOptions>({ maxEndpoints: flags['max-endpoints-per-slice'], batchMs: flags['endpointslice-updates-batch-period'] })

export const mirroringOptions = (flags: Flags): Partial<EndpointSliceOptions> =>
  present<EndpointSliceOptions>({
    maxEndpoints: flags['mirroring-max-endpoints-per-subset'],
    batchMs: flags['mirroring-endpointslice-updates-batch-period'],
  })

export const quotaOptions = (flags: Flags): Partial<ResourceQuotaOptions> =>
  present<ResourceQuotaOptions>({ resyncMs: flags['resource-quota-sync-period'] })

/** The names that `--controllers` took before each was called a controller; they are still understood. */
const FORMER_NAMES: Readonly<Record<string, string>> = {
  attachdetach: 'persistentvolume-attach-detach-controller',
  bootstrapsigner: 'bootstrap-signer-controller',
  'clusterrole-aggregation': 'clusterrole-aggregation-controller',
  cronjob: 'cronjob-controller',
  'cloud-node-lifecycle': 'cloud-node-lifecycle-controller',
  csrapproving: 'certificatesigningrequest-approving-controller',
  csrcleaner: 'certificatesigningrequest-cleaner-controller',
  csrsigning: 'certificatesigningrequest-signing-controller',
  daemonset: 'daemonset-controller',
  deployment: 'deployment-controller',
  disruption: 'disruption-controller',
  endpoint: 'endpoints-controller',
  endpointslice: 'endpointslice-controller',
  endpointslicemirroring: 'endpointslice-mirroring-controller',
  'ephemeral-volume': 'ephemeral-volume-controller',
  garbagecollector: 'garbage-collector-controller',
  horizontalpodautoscaling: 'horizontal-pod-autoscaler-controller',
  job: 'job-controller',
  'legacy-service-account-token-cleaner': 'legacy-serviceaccount-token-cleaner-controller',
  namespace: 'namespace-controller',
  nodeipam: 'node-ipam-controller',
  nodelifecycle: 'node-lifecycle-controller',
  'persistentvolume-binder': 'persistentvolume-binder-controller',
  'persistentvolume-expander': 'persistentvolume-expander-controller',
  podgc: 'pod-garbage-collector-controller',
  'pv-protection': 'persistentvolume-protection-controller',
  'pvc-protection': 'persistentvolumeclaim-protection-controller',
  replicaset: 'replicaset-controller',
  replicationcontroller: 'replicationcontroller-controller',
  'resource-claim-controller': 'resourceclaim-controller',
  resourcequota: 'resourcequota-controller',
  'root-ca-cert-publisher': 'root-ca-certificate-publisher-controller',
  route: 'node-route-controller',
  service: 'service-lb-controller',
  serviceaccount: 'serviceaccount-controller',
  'serviceaccount-token': 'serviceaccount-token-controller',
  statefulset: 'statefulset-controller',
  svm: 'storage-version-migrator-controller',
  'storage-version-gc': 'storageversion-garbage-collector-controller',
  tokencleaner: 'token-cleaner-controller',
  ttl: 'ttl-controller',
  'ttl-after-finished': 'ttl-after-finished-controller',
}

export const canonicalName = (name: string): string => FORMER_NAMES[name] ?? name
