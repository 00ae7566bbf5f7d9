/**
 * Every controller of the controller manager by its upstream name, which flags and logs use
 * (kube-controller-manager's `--controllers=*,-cronjob-controller`).
 */
import type { ControllerFactory } from '../reconcile/controller.ts'
import type { ComponentOptions } from '../api/componentOptions.ts'
import { attachDetachController } from './attachDetach/attachDetach.ts'
import { bootstrapSignerController } from './bootstrap/bootstrapSigner.ts'
import { tokenCleanerController } from './bootstrap/tokenCleaner.ts'
import { certificateApprovingController, certificateCleanerController, certificateSigningController } from './certificates/certificates.ts'
import type { CertificateSigner } from './certificates/signers.ts'
import { clusterRoleAggregationController } from './clusterRoleAggregation.ts'
import { cronJobController } from './cronjob/cronjob.ts'
import { daemonSetController } from './daemonset/daemonset.ts'
import { deploymentController } from './deployment/deployment.ts'
import { deviceTaintEvictionController } from './deviceTaintEviction/deviceTaintEviction.ts'
import { disruptionController } from './disruption/disruption.ts'
import { endpointsController } from './endpointslice/endpoints.ts'
import { endpointSliceController } from './endpointslice/endpointslice.ts'
import { endpointSliceMirroringController } from './endpointslice/mirroring.ts'
import { garbageCollector } from './garbageCollector/garbageCollector.ts'
import { jobController } from './job/job.ts'
import { CLEAN_UP_PERIOD_MS, legacyTokenCleanerController } from './legacyTokenCleaner.ts'
import { namespaceController } from './namespace/namespace.ts'
import { nodeIpamController, type NodeIpamOptions } from './nodeIpam.ts'
import { nodeLifecycleController } from './nodeLifecycle/nodeLifecycle.ts'
import { taintEvictionController } from './nodeLifecycle/taintEviction.ts'
import { horizontalPodAutoscalerController } from './podautoscaler/horizontal.ts'
import {
  autoscalerOptions,
  canonicalName,
  endpointSliceOptions,
  mirroringOptions,
  nodeLifecycleOptions,
  quotaOptions,
  withWorkers,
} from './options.ts'
import { podGcController } from './podGc.ts'
import { replicaSetController } from './replicaset/replicaset.ts'
import { replicationControllerController } from './replicationcontroller.ts'
import { resourceClaimController } from './resourceClaim/resourceClaim.ts'
import { resourceQuotaController } from './resourceQuota/resourceQuota.ts'
import { rootCaPublisher } from './rootCaPublisher.ts'
import { serviceCidrController } from './serviceCidr/serviceCidr.ts'
import { serviceAccountController } from './serviceaccount.ts'
import { serviceAccountTokenController, type SignLegacyToken } from './serviceAccountToken.ts'
import { statefulSetController } from './statefulset/statefulset.ts'
import { ttlController } from './ttl.ts'
import { ttlAfterFinishedController } from './ttlAfterFinished.ts'
import { validatingAdmissionPolicyStatusController } from './validatingAdmissionPolicyStatus/validatingAdmissionPolicyStatus.ts'
import { ephemeralVolumeController } from './volume/ephemeralVolume.ts'
import { persistentVolumeExpander } from './volume/expander.ts'
import type { HostPathVolumes } from './volume/hostPathProvisioner.ts'
import { persistentVolumeBinder } from './volume/persistentVolumeBinder.ts'
import { attributesClassProtectionController, pvcProtectionController, pvProtectionController } from './volume/protection.ts'

export type ControllerFlags = ComponentOptions['controller-manager']

export interface ControllerOptions {
  /** PEM of the authority by which pods know the API server. */
  rootCa: string
  /** Signs the tokens of legacy Secrets; without it there is no controller for them. */
  signLegacyToken?: SignLegacyToken
  /** Reads and signs certificate requests; without it none are approved or signed. */
  certificateSigner?: CertificateSigner
  /** Where the default storage class puts volumes; without it there is no such class. */
  hostPathVolumes?: HostPathVolumes
  /** The pods' addresses; without it nodes get no part of them. */
  podCidr?: NodeIpamOptions
  /** What was set by upstream's flags. */
  flags?: ControllerFlags
}

export function controllerFactories(options: ControllerOptions): Map<string, ControllerFactory> {
  const { rootCa, signLegacyToken, certificateSigner, hostPathVolumes, podCidr, flags = {} } = options
  const factories: [string, ControllerFactory][] = [
    ['serviceaccount-controller', serviceAccountController],
    ['root-ca-certificate-publisher-controller', (context) => rootCaPublisher(context, rootCa)],
    ['bootstrap-signer-controller', bootstrapSignerController],
    ['token-cleaner-controller', tokenCleanerController],
    ['namespace-controller', namespaceController],
    ['deployment-controller', deploymentController],
    ['replicaset-controller', replicaSetController],
    ['replicationcontroller-controller', replicationControllerController],
    ['statefulset-controller', statefulSetController],
    ['daemonset-controller', daemonSetController],
    ['job-controller', jobController],
    ['cronjob-controller', cronJobController],
    ['ttl-after-finished-controller', ttlAfterFinishedController],
    ['endpointslice-controller', (context) => endpointSliceController(context, endpointSliceOptions(flags))],
    ['endpoints-controller', (context) => endpointsController(context, flags['endpoint-updates-batch-period'])],
    ['garbage-collector-controller', garbageCollector],
    ['node-lifecycle-controller', (context) => nodeLifecycleController(context, nodeLifecycleOptions(flags))],
    ['taint-eviction-controller', taintEvictionController],
    ['pod-garbage-collector-controller', (context) => podGcController(context, flags['terminated-pod-gc-threshold'])],
    ['endpointslice-mirroring-controller', (context) => endpointSliceMirroringController(context, mirroringOptions(flags))],
    ['clusterrole-aggregation-controller', clusterRoleAggregationController],
    ['disruption-controller', disruptionController],
    ['resourcequota-controller', (context) => resourceQuotaController(context, quotaOptions(flags))],
    ['resourceclaim-controller', resourceClaimController],
    ['persistentvolume-binder-controller', (context) => persistentVolumeBinder(context, hostPathVolumes)],
    ['persistentvolumeclaim-protection-controller', pvcProtectionController],
    ['persistentvolume-protection-controller', pvProtectionController],
    ['volumeattributesclass-protection-controller', attributesClassProtectionController],
    ['ephemeral-volume-controller', ephemeralVolumeController],
    ['certificatesigningrequest-cleaner-controller', certificateCleanerController],
    ['horizontal-pod-autoscaler-controller', (context) => horizontalPodAutoscalerController(context, autoscalerOptions(flags))],
    ['validatingadmissionpolicy-status-controller', validatingAdmissionPolicyStatusController],
    ['persistentvolume-attach-detach-controller', attachDetachController],
    ['persistentvolume-expander-controller', persistentVolumeExpander],
    ['device-taint-eviction-controller', deviceTaintEvictionController],
    ['ttl-controller', ttlController],
    ['service-cidr-controller', serviceCidrController],
    [
      'legacy-serviceaccount-token-cleaner-controller',
      (context) => legacyTokenCleanerController(context, flags['legacy-service-account-token-clean-up-period'] ?? CLEAN_UP_PERIOD_MS),
    ],
  ]
  if (signLegacyToken) {
    factories.push(['serviceaccount-token-controller', (context) => serviceAccountTokenController(context, rootCa, signLegacyToken)])
  }
  if (podCidr) factories.push(['node-ipam-controller', (context) => nodeIpamController(context, podCidr)])
  if (certificateSigner) {
    factories.push(
      ['certificatesigningrequest-approving-controller', (context) => certificateApprovingController(context, certificateSigner)],
      ['certificatesigningrequest-signing-controller', (context) => certificateSigningController(context, certificateSigner)],
    )
  }
  return new Map(factories.map(([name, factory]) => [name, withWorkers(name, factory, flags)]))
}

export class UnknownControllerError extends Error {
  override readonly name = 'UnknownControllerError'
}

/** Those that run only where they are named. */
const OFF_BY_DEFAULT = new Set(['bootstrap-signer-controller', 'token-cleaner-controller'])

/**
 * What upstream's manager has besides, for a cloud or for a feature that is off by default: leaving them out is what happens anyway,
 * so that a list of upstream's may say it.
 */
const NOT_HERE = new Set([
  'cloud-node-lifecycle-controller',
  'kube-apiserver-serving-clustertrustbundle-publisher-controller',
  'node-route-controller',
  'podcertificaterequest-cleaner-controller',
  'podgroup-protection-controller',
  'resourcepoolstatusrequest-controller',
  'selinux-warning-controller',
  'service-lb-controller',
  'storage-version-migrator-controller',
  'storageversion-garbage-collector-controller',
])

/** The controllers of a cluster unless told otherwise: kubeadm's choice. */
export const DEFAULT_CONTROLLERS: readonly string[] = ['*', ...OFF_BY_DEFAULT]

/**
 * The controllers that a flag such as `['*', '-cronjob-controller']` leaves, by their names or the ones they had before. `*`
 * stands for all that are not off by default; the first word about a controller counts.
 */
export function selectControllers(
  known: Iterable<string>,
  flag: readonly string[],
  offByDefault: ReadonlySet<string> = OFF_BY_DEFAULT,
): string[] {
  const names = [...known]
  const words = flag.map((entry) =>
    entry.startsWith('-') ? { name: canonicalName(entry.slice(1)), on: false } : { name: canonicalName(entry), on: true },
  )
  const strange = words.find(({ name, on }) => name !== '*' && !names.includes(name) && (on || !NOT_HERE.has(name)))
  if (strange && NOT_HERE.has(strange.name))
    throw new UnknownControllerError(`"${strange.name}" cannot be run here: leave it out of the list of controllers`)
  if (strange) throw new UnknownControllerError(`"${strange.name}" is not in the list of known controllers`)
  return names.filter((name) => words.find((word) => word.name === name)?.on ?? (flag.includes('*') && !offByDefault.has(name)))
}

/** Under which name a controller's events are told, where that is not its own. */
const EVENT_SOURCES: Readonly<Record<string, string>> = {
  'disruption-controller': 'controllermanager',
  'endpoints-controller': 'endpoint-controller',
  'endpointslice-controller': 'endpoint-slice-controller',
  'endpointslice-mirroring-controller': 'endpoint-slice-mirroring-controller',
  'ephemeral-volume-controller': 'ephemeral_volume',
  'horizontal-pod-autoscaler-controller': 'horizontal-pod-autoscaler',
  'node-ipam-controller': 'cidrAllocator',
  'node-lifecycle-controller': 'node-controller',
  'persistentvolume-attach-detach-controller': 'attachdetach-controller',
  'persistentvolume-binder-controller': 'persistentvolume-controller',
  'persistentvolume-expander-controller': 'volume_expand',
  'replicationcontroller-controller': 'replication-controller',
  'resourceclaim-controller': 'resource_claim',
  'service-lb-controller': 'service-controller',
}

export const eventSourceOf = (controller: string): string => EVENT_SOURCES[controller] ?? controller
