/**
 * The persistentvolume-binder controller: brings claims and volumes together, has volumes provisioned, and disposes of those
 * whose claim is gone (upstream's pkg/controller/volume/persistentvolume).
 */
import {
  nodes,
  persistentvolumeclaims,
  persistentvolumes,
  pods,
  type PersistentVolume,
  type PersistentVolumeClaim,
} from '../../api/kinds/core/v1.ts'
import { storageclasses, type StorageClass } from '../../api/kinds/storage/v1.ts'
import { PROVISIONER } from '../../api/hostPathClass.ts'
import { matchesNodeSelectorTerms } from '../../api/nodeSelector.ts'
import { claimNamesOf, hasFinished } from '../../api/pods.ts'
import { keyOf } from '../../api/resource.ts'
import { isAlreadyExists, isNotFound } from '../../api/status.ts'
import { freeVolumes, isClaimedBy, misfitOf, reservedVolume, storageClassOf } from '../../api/volumeMatching.ts'
import { watch, type Controller, type ControllerContext } from '../../reconcile/controller.ts'
import { BIND_COMPLETED, BindingWrites } from './bindingWrites.ts'
import { defaultStorageClass, hostPathVolume, nodeOf, provisionedName, refusal, type HostPathVolumes } from './hostPathProvisioner.ts'
import { VolumeDisposal } from './volumeDisposal.ts'

const SELECTED_NODE = 'volume.kubernetes.io/selected-node'
const STORAGE_PROVISIONER = 'volume.kubernetes.io/storage-provisioner'
const CLAIM = 'claim:'
const VOLUME = 'volume:'
const CLASS = 'class:'
const BY_CLAIM = 'mountedClaim'

/** Drivers that were part of Kubernetes once, and who provisions in their place. */
const SUCCESSORS: Readonly<Record<string, string>> = {
  'kubernetes.io/aws-ebs': 'ebs.csi.aws.com',
  'kubernetes.io/azure-disk': 'disk.csi.azure.com',
  'kubernetes.io/azure-file': 'file.csi.azure.com',
  'kubernetes.io/cinder': 'cinder.csi.openstack.org',
  'kubernetes.io/gce-pd': 'pd.csi.storage.gke.io',
  'kubernetes.io/portworx-volume': 'pxd.portworx.com',
  'kubernetes.io/vsphere-volume': 'csi.vsphere.vmware.com',
}

const successorOf = (provisioner: string): string => SUCCESSORS[provisioner] ?? provisioner

export function persistentVolumeBinder(context: ControllerContext, hostPath?: HostPathVolumes): Controller {
  const { client, informers } = context
  const claimInformer = informers.for(persistentvolumeclaims)
  const volumeInformer = informers.for(persistentvolumes)
  const classInformer = informers.for(storageclasses)
  const nodeInformer = informers.for(nodes)
  const podInformer = informers.for(pods)
  podInformer.addIndex(BY_CLAIM, (pod) => claimNamesOf(pod).map((name) => `${pod.metadata.namespace}/${name}`))
  const writes = new BindingWrites(context)
  const disposal = new VolumeDisposal({ client, writes, claims: claimInformer, nodes: nodeInformer, ...(hostPath && { hostPath }) })
  let classChecked = false

  async function provision(claim: PersistentVolumeClaim, storageClass: StorageClass, signal: AbortSignal): Promise<void> {
    const provisioner = successorOf(storageClass.provisioner)
    if (claim.metadata.annotations?.[STORAGE_PROVISIONER] !== provisioner) {
      const annotations = {
        ...claim.metadata.annotations,
        [STORAGE_PROVISIONER]: provisioner,
        'volume.beta.kubernetes.io/storage-provisioner': provisioner,
      }
      // Its event brings the claim back.
      await client.update(persistentvolumeclaims, { ...claim, metadata: { ...claim.metadata, annotations } }, { signal })
      return
    }
    if (provisioner !== PROVISIONER || !hostPath) {
      if (provisioner === 'kubernetes.io/no-provisioner') return
      const message =
        `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. ` +
        'If volume creation is delayed, please verify that the provisioner is running and correctly registered.'
      return writes.tell(claim, 'Normal', 'ExternalProvisioning', message)
    }
    const why = refusal(claim)
    if (why) return writes.tell(claim, 'Warning', 'ProvisioningFailed', why)
    const draft = hostPathVolume(claim, storageClass, hostPath.directory, claim.metadata.annotations?.[SELECTED_NODE] ?? hostPath.nodeName)
    try {
      const volume = await client.create(persistentvolumes, draft, { signal })
      writes.tell(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${volume.metadata.name}`)
      await writes.bind(claim, volume, signal)
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
  }

  /** Volumes that the node of the claim's first pod can reach. */
  function reachable(nodeName: string | undefined): readonly PersistentVolume[] {
    const node = nodeName === undefined ? undefined : nodeInformer.get(nodeName)
    if (!node) return volumeInformer.list()
    return volumeInformer
      .list()
      .filter(({ spec }) => !spec.nodeAffinity?.required || matchesNodeSelectorTerms(spec.nodeAffinity.required.nodeSelectorTerms, node))
  }

  /** A claim whose class waits for a pod says for which, once there is one. */
  function tellWaiting(claim: PersistentVolumeClaim): void {
    const waiting = podInformer.byIndex(BY_CLAIM, keyOf(claim)).filter((pod) => !pod.spec.nodeName && !hasFinished(pod))
    if (waiting.length === 0)
      return writes.tell(claim, 'Normal', 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding')
    const names = waiting.map(({ metadata }) => metadata.name).join(',')
    writes.tell(claim, 'Normal', 'WaitForPodScheduled', `waiting for pod${waiting.length > 1 ? 's' : ''} ${names} to be scheduled`)
  }

  async function syncUnbound(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const storageClass = classInformer.get(storageClassOf(claim))
    const delayed = storageClass?.volumeBindingMode === 'WaitForFirstConsumer'
    const selectedNode = claim.metadata.annotations?.[SELECTED_NODE]
    const volumes = reachable(selectedNode)
    const isForItsPodToChoose = delayed && !selectedNode
    const volume = reservedVolume(volumes, claim) ?? (isForItsPodToChoose ? undefined : freeVolumes(volumes, claim)[0])
    if (volume) return writes.bind(claim, volume, signal)
    await writes.setClaimPhase(claim, 'Pending', undefined, signal)
    if (isForItsPodToChoose) return tellWaiting(claim)
    if (storageClass) return provision(claim, storageClass, signal)
    const name = storageClassOf(claim)
    if (name) return writes.tell(claim, 'Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${name}" not found`)
    writes.tell(claim, 'Normal', 'FailedBinding', 'no persistent volumes available for this claim and no storage class is set')
  }

  async function syncClaim(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const { volumeName } = claim.spec
    if (!volumeName) return syncUnbound(claim, signal)
    const volume = volumeInformer.get(volumeName) ?? (await liveVolume(volumeName, signal))
    const completed = claim.metadata.annotations?.[BIND_COMPLETED] === 'yes'
    if (!volume) {
      if (!completed) return writes.setClaimPhase(claim, 'Pending', undefined, signal)
      if (claim.status?.phase !== 'Lost')
        writes.tell(claim, 'Warning', 'ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!')
      return writes.setClaimPhase(claim, 'Lost', undefined, signal)
    }
    const misfit = volume.spec.claimRef || completed ? undefined : misfitOf(volume, claim)
    if (misfit) {
      writes.tell(claim, 'Warning', 'VolumeMismatch', `Cannot bind to requested volume "${volumeName}": ${misfit}`)
      return writes.setClaimPhase(claim, 'Pending', undefined, signal)
    }
    if (!volume.spec.claimRef || isClaimedBy(volume.spec.claimRef, claim)) return writes.bind(claim, volume, signal)
    if (completed) {
      writes.tell(claim, 'Warning', 'ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly')
      return writes.setClaimPhase(claim, 'Lost', undefined, signal)
    }
    writes.tell(claim, 'Warning', 'FailedBinding', `volume "${volumeName}" already bound to a different claim.`)
    await writes.setClaimPhase(claim, 'Pending', undefined, signal)
  }

  async function liveVolume(name: string, signal: AbortSignal): Promise<PersistentVolume | undefined> {
    return client.get(persistentvolumes, { name, signal }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined
      throw error
    })
  }

  /** Once, at the start: who deletes the class afterwards does not want it. */
  async function ensureDefaultClass(signal: AbortSignal): Promise<void> {
    if (classChecked || !hostPath) return
    classChecked = true
    if (classInformer.list().length > 0) return
    await client.create(storageclasses, defaultStorageClass(), { signal }).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error
    })
  }

  const waitingClaims = (): string[] =>
    claimInformer
      .list()
      .filter((claim) => claim.status?.phase !== 'Bound')
      .map((claim) => CLAIM + keyOf(claim))

  const volumesOf = (nodeName: string): string[] =>
    volumeInformer
      .list()
      .filter((volume) => nodeOf(volume) === nodeName)
      .map(({ metadata }) => VOLUME + metadata.name)

  return {
    name: 'persistentvolume-binder-controller',
    // One at a time: two claims must not see the same volume free.
    workers: 1,
    watches: [
      watch(persistentvolumeclaims, (claim) => {
        const names = [claim.spec.volumeName, provisionedName(claim)].filter((name) => name && volumeInformer.get(name))
        return [CLAIM + keyOf(claim), ...names.map((name) => VOLUME + name)]
      }),
      watch(persistentvolumes, (volume) => {
        const { name, namespace } = volume.spec.claimRef ?? {}
        return [VOLUME + volume.metadata.name, ...(name ? [`${CLAIM}${namespace}/${name}`] : waitingClaims())]
      }),
      watch(storageclasses, () => waitingClaims()),
      // What a node that leaves has in its directories goes with it.
      watch(nodes, ({ metadata }) => (nodeInformer.get(metadata.name) ? [] : volumesOf(metadata.name))),
      {
        start(_, enqueue) {
          enqueue(CLASS)
          return classInformer
        },
      },
    ],
    async reconcile(key, signal) {
      if (key === CLASS) return ensureDefaultClass(signal)
      if (key.startsWith(CLAIM)) {
        const claim = claimInformer.get(key.slice(CLAIM.length))
        if (claim && claim.metadata.deletionTimestamp === undefined) await syncClaim(claim, signal)
        return
      }
      const volume = volumeInformer.get(key.slice(VOLUME.length))
      if (volume) await disposal.sync(volume, signal)
    },
  }
}
