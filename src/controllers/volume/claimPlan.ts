/** What is to be done about a claim: which volume it is bound to, who makes one for it, and what it is told. No I/O; the words are upstream's. */
import { PROVISIONER } from '../../api/hostPathClass.ts'
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/kinds/core/v1.ts'
import type { StorageClass } from '../../api/kinds/storage/v1.ts'
import { matchesNodeSelectorTerms } from '../../api/nodeSelector.ts'
import { freeVolumes, hasStorageClass, isClaimedBy, misfitOf, reservedVolume, storageClassOf } from '../../api/volumeMatching.ts'
import { BIND_COMPLETED } from './bindingWrites.ts'
import { refusal } from './hostPathProvisioner.ts'

export const SELECTED_NODE = 'volume.kubernetes.io/selected-node'
export const STORAGE_PROVISIONER = 'volume.kubernetes.io/storage-provisioner'

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

/** Names below it were for what was built in; nobody else may provision by them. `kubernetes.io/no-provisioner` says that nobody does. */
const BUILT_IN = 'kubernetes.io/'

export interface ClaimFacts {
  claim: PersistentVolumeClaim
  /** The one that the claim names, if it is there. */
  named: PersistentVolume | undefined
  volumes: readonly PersistentVolume[]
  storageClass: StorageClass | undefined
  /** What claims that name none are given. */
  defaultClass: StorageClass | undefined
  /** Chosen by the scheduler for the claim's first pod. */
  node: Node | undefined
  /** Pods that mount the claim and have no node yet. */
  waiting: readonly Pod[]
  /** Whether this controller provisions for the default class. */
  isProvisioner: boolean
}

export type ClaimStep =
  | { kind: 'bind'; volume: PersistentVolume }
  | { kind: 'setPhase'; phase: 'Pending' | 'Lost' }
  | { kind: 'tell'; type: 'Normal' | 'Warning'; reason: string; message: string }
  /** Names who is to make a volume; what is then seen of the claim leads on. */
  | { kind: 'nameProvisioner'; provisioner: string }
  | { kind: 'provision'; storageClass: StorageClass }
  /** A claim that came before there was a default class gets it; what is then seen of the claim leads on. */
  | { kind: 'assignClass'; name: string }

const pending: ClaimStep = { kind: 'setPhase', phase: 'Pending' }
const lost: ClaimStep = { kind: 'setPhase', phase: 'Lost' }
const tell = (type: 'Normal' | 'Warning', reason: string, message: string): ClaimStep => ({ kind: 'tell', type, reason, message })

function planNamed({ claim, named }: ClaimFacts): ClaimStep[] {
  const { volumeName = '' } = claim.spec
  const completed = claim.metadata.annotations?.[BIND_COMPLETED] === 'yes'
  if (!named) {
    if (!completed) return [pending]
    const news = tell('Warning', 'ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!')
    return claim.status?.phase === 'Lost' ? [lost] : [news, lost]
  }
  const misfit = named.spec.claimRef || completed ? undefined : misfitOf(named, claim)
  if (misfit) return [tell('Warning', 'VolumeMismatch', `Cannot bind to requested volume "${volumeName}": ${misfit}`), pending]
  if (!named.spec.claimRef || isClaimedBy(named.spec.claimRef, claim)) return [{ kind: 'bind', volume: named }]
  if (completed) return [tell('Warning', 'ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly'), lost]
  return [tell('Warning', 'FailedBinding', `volume "${volumeName}" already bound to a different claim.`), pending]
}

/** Volumes that the node of the claim's first pod can reach. */
function reachable({ volumes, node }: ClaimFacts): readonly PersistentVolume[] {
  if (!node) return volumes
  return volumes.filter(({ spec }) => {
    const required = spec.nodeAffinity?.required
    return !required || matchesNodeSelectorTerms(required.nodeSelectorTerms, node)
  })
}

/** A claim whose class waits for a pod says for which, once there is one. */
function waitingNews(waiting: readonly Pod[]): ClaimStep {
  if (waiting.length === 0) return tell('Normal', 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding')
  const names = waiting.map(({ metadata }) => metadata.name).join(',')
  return tell('Normal', 'WaitForPodScheduled', `waiting for pod${waiting.length > 1 ? 's' : ''} ${names} to be scheduled`)
}

function planProvisioning(storageClass: StorageClass, { claim, isProvisioner }: ClaimFacts): ClaimStep[] {
  const provisioner = SUCCESSORS[storageClass.provisioner] ?? storageClass.provisioner
  if (provisioner.startsWith(BUILT_IN)) return [tell('Warning', 'ProvisioningFailed', `no volume plugin matched name: ${provisioner}`)]
  if (claim.metadata.annotations?.[STORAGE_PROVISIONER] !== provisioner) return [{ kind: 'nameProvisioner', provisioner }]
  if (provisioner === PROVISIONER && isProvisioner) {
    const why = refusal(claim)
    return [why ? tell('Warning', 'ProvisioningFailed', why) : { kind: 'provision', storageClass }]
  }
  const message =
    `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. ` +
    'If volume creation is delayed, please verify that the provisioner is running and correctly registered.'
  return [tell('Normal', 'ExternalProvisioning', message)]
}

function planUnbound(facts: ClaimFacts): ClaimStep[] {
  const { claim, storageClass, defaultClass, waiting } = facts
  const isForItsPodToChoose = storageClass?.volumeBindingMode === 'WaitForFirstConsumer' && !claim.metadata.annotations?.[SELECTED_NODE]
  const volumes = reachable(facts)
  const volume = reservedVolume(volumes, claim) ?? (isForItsPodToChoose ? undefined : freeVolumes(volumes, claim)[0])
  if (volume) return [{ kind: 'bind', volume }]
  if (defaultClass && !hasStorageClass(claim)) return [{ kind: 'assignClass', name: defaultClass.metadata.name }]
  if (isForItsPodToChoose) return [pending, waitingNews(waiting)]
  if (storageClass) return [pending, ...planProvisioning(storageClass, facts)]
  const name = storageClassOf(claim)
  if (name) return [pending, tell('Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${name}" not found`)]
  return [pending, tell('Normal', 'FailedBinding', 'no persistent volumes available for this claim and no storage class is set')]
}

export function planClaim(facts: ClaimFacts): ClaimStep[] {
  return facts.claim.spec.volumeName ? planNamed(facts) : planUnbound(facts)
}
