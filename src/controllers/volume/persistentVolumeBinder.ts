/**
 * The persistentvolume-binder controller: brings claims and volumes together, has volumes provisioned, and disposes of those
 * whose claim is gone (upstream's pkg/controller/volume/persistentvolume).
 */
import {
  nodes,
  persistentvolumeclaims,
  persistentvolumes,
  type PersistentVolume,
  type PersistentVolumeClaim,
} from '../../api/kinds/core/v1.ts'
import { storageclasses, type StorageClass } from '../../api/kinds/storage/v1.ts'
import { matchesNodeSelectorTerms } from '../../api/nodeSelector.ts'
import { keyOf } from '../../api/resource.ts'
import { isAlreadyExists, isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext } from '../../reconcile/controller.ts'
import {
  defaultStorageClass,
  hostPathVolume,
  isProvisioned,
  nodeOf,
  PROVISIONED_BY,
  provisionedName,
  PROVISIONER,
  refusal,
  removeVolume,
  type HostPathVolumes,
} from './hostPathProvisioner.ts'
import { classOf, findVolume, isClaimedBy, referenceTo } from './matching.ts'

const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed'
const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller'
const SELECTED_NODE = 'volume.kubernetes.io/selected-node'
const STORAGE_PROVISIONER = 'volume.kubernetes.io/storage-provisioner'
const CLAIM = 'claim:'
const VOLUME = 'volume:'
const CLASS = 'class:'

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
  const { client, informers, events } = context
  const claimInformer = informers.for(persistentvolumeclaims)
  const volumeInformer = informers.for(persistentvolumes)
  const classInformer = informers.for(storageclasses)
  const nodeInformer = informers.for(nodes)
  let classChecked = false

  function tell(about: PersistentVolume | PersistentVolumeClaim, type: 'Normal' | 'Warning', reason: string, message: string): void {
    events.record(about, { type, reason, message })
  }

  async function setClaimPhase(
    claim: PersistentVolumeClaim,
    phase: string,
    volume: PersistentVolume | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { accessModes, capacity } = volume?.spec ?? {}
    const { phase: was, accessModes: _, capacity: __, ...rest } = claim.status ?? {}
    const same = was === phase && (!volume || claim.status?.capacity?.['storage'] !== undefined)
    if (same) return
    const status = { ...rest, phase, ...(accessModes && { accessModes }), ...(capacity && { capacity }) }
    await client.update(persistentvolumeclaims, { ...claim, status }, { subresource: 'status', signal })
  }

  async function setVolumePhase(volume: PersistentVolume, phase: string, signal: AbortSignal, message?: string): Promise<void> {
    if (volume.status?.phase === phase && volume.status.message === message) return
    const { message: _, ...before } = volume.status ?? {}
    // The server writes down when the phase changed.
    const status = { ...before, phase, ...(message && { message }) }
    await client.update(persistentvolumes, { ...volume, status }, { subresource: 'status', signal })
  }

  /** The volume first: a claim must never name a volume that another one holds. */
  async function bind(claim: PersistentVolumeClaim, volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    let bound = volume
    if (volume.spec.claimRef?.uid !== claim.metadata.uid) {
      const ours = !volume.spec.claimRef
      const annotations = { ...volume.metadata.annotations, ...(ours && { [BOUND_BY_CONTROLLER]: 'yes' }) }
      bound = await client.update(
        persistentvolumes,
        { ...volume, metadata: { ...volume.metadata, annotations }, spec: { ...volume.spec, claimRef: referenceTo(claim) } },
        { signal },
      )
    }
    if (bound.status?.phase !== 'Bound') await setVolumePhase(bound, 'Bound', signal)
    let latest = claim
    if (claim.spec.volumeName !== volume.metadata.name || claim.metadata.annotations?.[BIND_COMPLETED] !== 'yes') {
      const annotations = {
        ...claim.metadata.annotations,
        ...(!claim.spec.volumeName && { [BOUND_BY_CONTROLLER]: 'yes' }),
        [BIND_COMPLETED]: 'yes',
      }
      const spec = { ...claim.spec, volumeName: volume.metadata.name }
      latest = await client.update(persistentvolumeclaims, { ...claim, metadata: { ...claim.metadata, annotations }, spec }, { signal })
    }
    await setClaimPhase(latest, 'Bound', bound, signal)
  }

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
      return tell(claim, 'Normal', 'ExternalProvisioning', message)
    }
    const why = refusal(claim)
    if (why) return tell(claim, 'Warning', 'ProvisioningFailed', why)
    const draft = hostPathVolume(claim, storageClass, hostPath.directory, claim.metadata.annotations?.[SELECTED_NODE] ?? hostPath.nodeName)
    try {
      const volume = await client.create(persistentvolumes, draft, { signal })
      tell(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${volume.metadata.name}`)
      await bind(claim, volume, signal)
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

  async function syncUnbound(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const storageClass = classInformer.get(classOf(claim))
    const delayed = storageClass?.volumeBindingMode === 'WaitForFirstConsumer'
    const selectedNode = claim.metadata.annotations?.[SELECTED_NODE]
    const volume = findVolume(reachable(selectedNode), claim, delayed && !selectedNode)
    if (volume) return bind(claim, volume, signal)
    await setClaimPhase(claim, 'Pending', undefined, signal)
    if (delayed && !selectedNode) {
      return tell(claim, 'Normal', 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding')
    }
    if (storageClass) return provision(claim, storageClass, signal)
    const name = classOf(claim)
    if (name) return tell(claim, 'Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${name}" not found`)
    tell(claim, 'Normal', 'FailedBinding', 'no persistent volumes available for this claim and no storage class is set')
  }

  async function syncClaim(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const { volumeName } = claim.spec
    if (!volumeName) return syncUnbound(claim, signal)
    const volume = volumeInformer.get(volumeName) ?? (await liveVolume(volumeName, signal))
    const completed = claim.metadata.annotations?.[BIND_COMPLETED] === 'yes'
    if (!volume) {
      if (!completed) return setClaimPhase(claim, 'Pending', undefined, signal)
      if (claim.status?.phase !== 'Lost')
        tell(claim, 'Warning', 'ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!')
      return setClaimPhase(claim, 'Lost', undefined, signal)
    }
    if (!volume.spec.claimRef || isClaimedBy(volume.spec.claimRef, claim)) return bind(claim, volume, signal)
    if (completed) {
      tell(claim, 'Warning', 'ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly')
      return setClaimPhase(claim, 'Lost', undefined, signal)
    }
    tell(claim, 'Warning', 'FailedBinding', `volume "${volumeName}" already bound to a different claim.`)
    await setClaimPhase(claim, 'Pending', undefined, signal)
  }

  async function liveVolume(name: string, signal: AbortSignal): Promise<PersistentVolume | undefined> {
    return client.get(persistentvolumes, { name, signal }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined
      throw error
    })
  }

  /** Never on the word of the cache alone: a claim that is there must not lose its data. */
  async function claimIsGone(volume: PersistentVolume, signal: AbortSignal): Promise<boolean> {
    const { name = '', namespace = '', uid } = volume.spec.claimRef ?? {}
    const cached = claimInformer.get(`${namespace}/${name}`)
    if (cached?.metadata.uid === uid) return false
    try {
      return (await client.get(persistentvolumeclaims, { name, namespace, signal })).metadata.uid !== uid
    } catch (error) {
      if (isNotFound(error)) return true
      throw error
    }
  }

  async function syncVolume(volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const { claimRef } = volume.spec
    const leaving = volume.metadata.deletionTimestamp !== undefined
    if (!claimRef?.uid) return leaving ? undefined : setVolumePhase(volume, 'Available', signal)
    if (!(await claimIsGone(volume, signal))) return
    // One that is leaving is protected for as long as it is bound.
    if (leaving) return volume.status?.phase === 'Bound' ? setVolumePhase(volume, 'Released', signal) : undefined
    if (volume.status?.phase !== 'Released' && volume.status?.phase !== 'Failed') return setVolumePhase(volume, 'Released', signal)
    if (volume.spec.persistentVolumeReclaimPolicy === 'Delete') await dispose(volume, signal)
  }

  async function dispose(volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const provisioner = volume.metadata.annotations?.[PROVISIONED_BY]
    if (provisioner && provisioner !== PROVISIONER) return
    if (!hostPath || !isProvisioned(volume, hostPath)) {
      const path = volume.spec.hostPath?.path
      const message =
        path === undefined ? 'no deletable volume plugin matched' : `host_path deleter only supports /tmp/.+ but received provided ${path}`
      if (volume.status?.phase !== 'Failed') tell(volume, 'Warning', 'VolumeFailedDelete', message)
      return setVolumePhase(volume, 'Failed', signal, message)
    }
    const nodeName = nodeOf(volume) ?? hostPath.nodeName
    const isElsewhere = nodeName !== hostPath.nodeName
    // The node that has the directory removes both. With a node that is gone the directory is gone.
    if (isElsewhere && nodeInformer.get(nodeName)) return
    await removeVolume(client, volume, isElsewhere ? async () => {} : hostPath.remove, signal)
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
      if (volume) await syncVolume(volume, signal)
    },
  }
}
