/**
 * Every controller of the controller manager by its upstream name, which flags and logs use
 * (kube-controller-manager's `--controllers=*,-cronjob-controller`).
 */
import type { ControllerFactory } from '../reconcile/controller.ts'
import { bootstrapSignerController } from './bootstrap/bootstrapSigner.ts'
import { tokenCleanerController } from './bootstrap/tokenCleaner.ts'
import { certificateApprovingController, certificateCleanerController, certificateSigningController } from './certificates/certificates.ts'
import type { CertificateSigner } from './certificates/signers.ts'
import { clusterRoleAggregationController } from './clusterRoleAggregation.ts'
import { cronJobController } from './cronjob/cronjob.ts'
import { daemonSetController } from './daemonset/daemonset.ts'
import { deploymentController } from './deployment/deployment.ts'
import { disruptionController } from './disruption/disruption.ts'
import { endpointsController } from './endpointslice/endpoints.ts'
import { endpointSliceController } from './endpointslice/endpointslice.ts'
import { endpointSliceMirroringController } from './endpointslice/mirroring.ts'
import { garbageCollector } from './garbageCollector/garbageCollector.ts'
import { jobController } from './job/job.ts'
import { namespaceController } from './namespace/namespace.ts'
import { nodeIpamController, type NodeIpamOptions } from './nodeIpam.ts'
import { nodeLifecycleController } from './nodeLifecycle/nodeLifecycle.ts'
import { taintEvictionController } from './nodeLifecycle/taintEviction.ts'
import { horizontalPodAutoscalerController } from './podautoscaler/horizontal.ts'
import { podGcController } from './podGc.ts'
import { replicaSetController } from './replicaset/replicaset.ts'
import { replicationControllerController } from './replicationcontroller.ts'
import { resourceClaimController } from './resourceClaim/resourceClaim.ts'
import { resourceQuotaController } from './resourceQuota/resourceQuota.ts'
import { rootCaPublisher } from './rootCaPublisher.ts'
import { serviceAccountController } from './serviceaccount.ts'
import { serviceAccountTokenController, type SignLegacyToken } from './serviceAccountToken.ts'
import { statefulSetController } from './statefulset/statefulset.ts'
import { ttlAfterFinishedController } from './ttlAfterFinished.ts'
import { validatingAdmissionPolicyStatusController } from './validatingAdmissionPolicyStatus/validatingAdmissionPolicyStatus.ts'
import { ephemeralVolumeController } from './volume/ephemeralVolume.ts'
import type { HostPathVolumes } from './volume/hostPathProvisioner.ts'
import { persistentVolumeBinder } from './volume/persistentVolumeBinder.ts'
import { attributesClassProtectionController, pvcProtectionController, pvProtectionController } from './volume/protection.ts'

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
}

export function controllerFactories(options: ControllerOptions): Map<string, ControllerFactory> {
  const { rootCa, signLegacyToken, certificateSigner, hostPathVolumes, podCidr } = options
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
    ['endpointslice-controller', endpointSliceController],
    ['endpoints-controller', endpointsController],
    ['garbage-collector-controller', garbageCollector],
    ['node-lifecycle-controller', nodeLifecycleController],
    ['taint-eviction-controller', taintEvictionController],
    ['pod-garbage-collector-controller', podGcController],
    ['endpointslice-mirroring-controller', endpointSliceMirroringController],
    ['clusterrole-aggregation-controller', clusterRoleAggregationController],
    ['disruption-controller', disruptionController],
    ['resourcequota-controller', resourceQuotaController],
    ['resourceclaim-controller', resourceClaimController],
    ['persistentvolume-binder-controller', (context) => persistentVolumeBinder(context, hostPathVolumes)],
    ['persistentvolumeclaim-protection-controller', pvcProtectionController],
    ['persistentvolume-protection-controller', pvProtectionController],
    ['volumeattributesclass-protection-controller', attributesClassProtectionController],
    ['ephemeral-volume-controller', ephemeralVolumeController],
    ['certificatesigningrequest-cleaner-controller', certificateCleanerController],
    ['horizontal-pod-autoscaler-controller', horizontalPodAutoscalerController],
    ['validatingadmissionpolicy-status-controller', validatingAdmissionPolicyStatusController],
  ]
  if (signLegacyToken) {
    factories.push(['legacy-serviceaccount-token-controller', (context) => serviceAccountTokenController(context, rootCa, signLegacyToken)])
  }
  if (podCidr) factories.push(['node-ipam-controller', (context) => nodeIpamController(context, podCidr)])
  if (certificateSigner) {
    factories.push(
      ['certificatesigningrequest-approving-controller', (context) => certificateApprovingController(context, certificateSigner)],
      ['certificatesigningrequest-signing-controller', (context) => certificateSigningController(context, certificateSigner)],
    )
  }
  return new Map(factories)
}

export class UnknownControllerError extends Error {
  override readonly name = 'UnknownControllerError'
}

/** The controllers that a flag such as `['*', '-cronjob-controller']` leaves. `*` stands for all; a later entry does not undo an earlier one. */
export function selectControllers(known: Iterable<string>, flag: readonly string[]): string[] {
  const names = [...known]
  const named = flag.map((entry) => entry.replace(/^[-+]/, '')).filter((name) => name !== '*')
  const strange = named.find((name) => !names.includes(name))
  if (strange !== undefined) throw new UnknownControllerError(`"${strange}" is not in the list of known controllers`)
  return names.filter((name) => !flag.includes(`-${name}`) && (flag.includes(name) || flag.includes('*')))
}
