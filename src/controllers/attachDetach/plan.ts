/** Which volumes of storage drivers a node should have attached, and what is to be done about those that it has. No I/O. */
import { createHash } from 'node:crypto'
import type { Node, PersistentVolume, Pod } from '../../api/kinds/core/v1.ts'
import type { VolumeAttachment } from '../../api/kinds/storage/v1.ts'
import { isConditionTrue } from '../../api/meta.ts'

/** After this time a volume is taken from a node that is not well, whether it says that the volume is in use or not. */
export const UNMOUNT_TIMEOUT_MS = 6 * 60_000
/** The kubelet leaves attaching to this controller. */
const MANAGED = 'volumes.kubernetes.io/controller-managed-attach-detach'
const isLeftToUs = ({ metadata }: Node): boolean => metadata.annotations?.[MANAGED] !== undefined
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service'
const MANAGED_NAME = /^csi-[0-9a-f]{64}$/

/** A volume that pods of a node mount. */
export interface Wanted {
  volume: PersistentVolume
  pods: readonly Pod[]
}

/** The name by which everybody finds the attachment of a volume to a node. */
export function attachmentName({ spec }: PersistentVolume, nodeName: string): string {
  const { volumeHandle = '', driver = '' } = spec.csi ?? {}
  return `csi-${createHash('sha256').update(`${volumeHandle}${driver}${nodeName}`).digest('hex')}`
}

/** As the node's status calls the volume. */
export function uniqueName({ spec }: PersistentVolume): string {
  return `kubernetes.io/csi/${spec.csi?.driver ?? ''}^${spec.csi?.volumeHandle ?? ''}`
}

/** Attachments that somebody made by hand have names of their own, and are left alone. */
export function isManaged({ metadata }: VolumeAttachment): boolean {
  return MANAGED_NAME.test(metadata.name)
}

function mayBeShared({ spec }: PersistentVolume): boolean {
  const modes = spec.accessModes ?? []
  return modes.length === 0 || modes.includes('ReadWriteMany') || modes.includes('ReadOnlyMany')
}

export interface NodeFacts {
  nodeName: string
  /** Undefined where it is gone. */
  node: Node | undefined
  wanted: readonly Wanted[]
  /** Of this node. */
  attachments: readonly VolumeAttachment[]
  /** Of other nodes, by the volume's name. */
  elsewhere: ReadonlyMap<string, readonly VolumeAttachment[]>
  /** Pods that mount wanted volumes on other nodes, by the volume's name. */
  usersElsewhere: ReadonlyMap<string, readonly Pod[]>
  volumes: ReadonlyMap<string, PersistentVolume>
  /** Since when attachments are not wanted any more, by name. */
  unwantedSinceMs: ReadonlyMap<string, number>
  nowMs: number
}

export interface NodePlan {
  attach: readonly Wanted[]
  /** Attached to another node, which must let go first. */
  blocked: readonly Wanted[]
  detach: readonly VolumeAttachment[]
  /** Still mounted: to be looked at again after this time at the latest. */
  recheckMs: number | undefined
  /** For the node's status. */
  attached: readonly { name: string; devicePath: string }[]
}

const volumeOf = ({ spec }: VolumeAttachment, volumes: NodeFacts['volumes']): PersistentVolume | undefined =>
  volumes.get(spec.source.persistentVolumeName ?? '')

function isMounted(attachment: VolumeAttachment, { node, volumes }: NodeFacts): boolean {
  const volume = volumeOf(attachment, volumes)
  return volume !== undefined && (node?.status?.volumesInUse?.includes(uniqueName(volume)) ?? false)
}

export function planNode(facts: NodeFacts): NodePlan {
  const { nodeName, node, wanted, elsewhere, volumes, unwantedSinceMs, nowMs } = facts
  const attachments = facts.attachments.filter(isManaged)
  const known = new Set(attachments.map(({ metadata }) => metadata.name))
  const names = new Set(wanted.map(({ volume }) => attachmentName(volume, nodeName)))
  const missing = node && isLeftToUs(node) ? wanted.filter(({ volume }) => !known.has(attachmentName(volume, nodeName))) : []
  const isBlocked = ({ volume }: Wanted): boolean => !mayBeShared(volume) && (elsewhere.get(volume.metadata.name)?.length ?? 0) > 0
  const isLost = node === undefined || (node.spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) ?? false)
  const isReady = isConditionTrue(node?.status?.conditions, 'Ready')
  const detach: VolumeAttachment[] = []
  let recheckMs: number | undefined
  for (const attachment of attachments) {
    if (names.has(attachment.metadata.name) || attachment.metadata.deletionTimestamp !== undefined) continue
    const leftMs = (unwantedSinceMs.get(attachment.metadata.name) ?? nowMs) + UNMOUNT_TIMEOUT_MS - nowMs
    if (isLost || !isMounted(attachment, facts) || (!isReady && leftMs <= 0)) detach.push(attachment)
    else if (leftMs > 0) recheckMs = Math.min(recheckMs ?? Infinity, leftMs)
  }
  const gone = new Set(detach)
  const attached = attachments
    .filter((attachment) => attachment.status?.attached && !gone.has(attachment) && attachment.metadata.deletionTimestamp === undefined)
    .flatMap((attachment) => {
      const volume = volumeOf(attachment, volumes)
      return volume ? [{ name: uniqueName(volume), devicePath: '' }] : []
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  return { attach: missing.filter((one) => !isBlocked(one)), blocked: missing.filter(isBlocked), detach, recheckMs, attached }
}
