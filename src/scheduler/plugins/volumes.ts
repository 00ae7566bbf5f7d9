/** VolumeRestrictions, VolumeZone and NodeVolumeLimits: what volumes themselves ask of the node that mounts them. */
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/kinds/core/v1.ts'
import type { CSINode, StorageClass, VolumeAttachment } from '../../api/kinds/storage/v1.ts'
import { deepEqual } from '../../api/meta.ts'
import { claimNameOf, claimNamesOf } from '../../api/pods.ts'
import { storageClassOf } from '../../api/volumeMatching.ts'
import { ADD, DELETE, UPDATE, UPDATE_NODE_LABEL, type ClusterEvent } from '../events.ts'
import { FITS, refuses, type Plugin, type Refusal, type Verdict } from '../framework.ts'
import { ATTACHMENTS_BY_NODE, type VolumeListers } from '../volumes/listers.ts'
import { driverOf, successorOf, type CsiVolume } from '../volumes/csiSuccessors.ts'

/** Whether a change is about a claim that the pod mounts. */
export function isOwnClaim(pod: Pod, { after, before }: ClusterEvent): boolean {
  const claim = (after ?? before) as PersistentVolumeClaim
  return claim.metadata.namespace === pod.metadata.namespace && claimNamesOf(pod).includes(claim.metadata.name)
}

const overlap = (a: readonly string[], b: readonly string[]): boolean => a.some((one) => b.includes(one))

/** Disks of old kinds that two pods of one node cannot both write to. */
function isSameDisk(a: Volume, b: Volume): boolean {
  if (a.gcePersistentDisk && b.gcePersistentDisk) {
    const [x, y] = [a.gcePersistentDisk, b.gcePersistentDisk]
    if (x.pdName === y.pdName && !(x.readOnly && y.readOnly)) return true
  }
  if (a.awsElasticBlockStore && a.awsElasticBlockStore.volumeID === b.awsElasticBlockStore?.volumeID) return true
  if (a.iscsi && b.iscsi && a.iscsi.iqn === b.iscsi.iqn && !(a.iscsi.readOnly && b.iscsi.readOnly)) return true
  if (!a.rbd || !b.rbd) return false
  const [x, y] = [a.rbd, b.rbd]
  return overlap(x.monitors, y.monitors) && x.pool === y.pool && x.image === y.image && !(x.readOnly && y.readOnly)
}

const mayConflict = (volume: Volume): boolean =>
  Boolean(volume.gcePersistentDisk ?? volume.awsElasticBlockStore ?? volume.rbd ?? volume.iscsi)

const IN_USE = 'node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod'

export function newVolumeRestrictions({ claims }: Pick<VolumeListers, 'claims'>): Plugin {
  return {
    name: 'VolumeRestrictions',
    events: [
      {
        resource: 'Pod',
        actions: DELETE,
        mayHelp(pod, { before }) {
          const gone = before as Pod
          if (gone.metadata.namespace !== pod.metadata.namespace) return false
          if (overlap(claimNamesOf(pod), claimNamesOf(gone))) return true
          return (pod.spec.volumes ?? []).some((volume) => (gone.spec.volumes ?? []).some((other) => isSameDisk(volume, other)))
        },
      },
      { resource: 'Node', actions: ADD },
      { resource: 'PersistentVolumeClaim', actions: ADD, mayHelp: isOwnClaim },
    ],
    prepare({ pod }, view) {
      const disks = (pod.spec.volumes ?? []).filter(mayConflict)
      const exclusive = new Set<string>()
      for (const { persistentVolumeClaim } of pod.spec.volumes ?? []) {
        if (!persistentVolumeClaim) continue
        const key = `${pod.metadata.namespace}/${persistentVolumeClaim.claimName}`
        const claim = claims.get(key)
        if (!claim) return refuses(`persistentvolumeclaim "${persistentVolumeClaim.claimName}" not found`, false)
        if (claim.spec.accessModes?.includes('ReadWriteOncePod')) exclusive.add(key)
      }
      if (disks.length === 0 && exclusive.size === 0) return undefined
      let users = 0
      for (const key of exclusive) users += view.usersOfClaim(key)
      const shared = (others: readonly string[]): number => others.filter((key) => exclusive.has(key)).length
      return {
        filter({ pods }) {
          for (const disk of disks)
            for (const other of pods.values())
              if (other.pod.spec.volumes?.some((volume) => isSameDisk(disk, volume))) return refuses('node(s) had no available disk', true)
          return users > 0 ? refuses(IN_USE, true) : FITS
        },
        addPod: (other) => void (users += shared(other.claims)),
        removePod: (other) => void (users -= shared(other.claims)),
      }
    },
  }
}

const ZONE_LABELS = [
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
]
const STABLE_LABEL: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
}

const zoneLabels = ({ metadata }: PersistentVolume): (string | undefined)[] => ZONE_LABELS.map((key) => metadata.labels?.[key])

interface ZoneWish {
  key: string
  values: ReadonlySet<string>
}

/** Several zones of one volume stand in one value, as `a__b`. */
const zoneWishes = ({ metadata }: PersistentVolume): ZoneWish[] =>
  ZONE_LABELS.flatMap((key) => {
    const value = metadata.labels?.[key]
    return value === undefined ? [] : [{ key, values: new Set(value.split('__')) }]
  })

function zonesOf(pod: Pod, { claims, volumes, classes }: VolumeListers): ZoneWish[] | Refusal {
  const wishes: ZoneWish[] = []
  for (const { persistentVolumeClaim } of pod.spec.volumes ?? []) {
    if (!persistentVolumeClaim) continue
    const name = persistentVolumeClaim.claimName
    const claim = claims.get(`${pod.metadata.namespace}/${name}`)
    if (!claim) return refuses(`persistentvolumeclaim "${name}" not found`, false)
    if (claim.spec.volumeName) {
      const volume = volumes.get(claim.spec.volumeName)
      if (!volume) return refuses(`persistentvolume "${claim.spec.volumeName}" not found`, false)
      wishes.push(...zoneWishes(volume))
      continue
    }
    const className = storageClassOf(claim)
    if (!className) return refuses('PersistentVolumeClaim had no pv name and storageClass name', false)
    const storageClass = classes.get(className)
    if (!storageClass) return refuses(`storageclass.storage.k8s.io "${className}" not found`, false)
    if (storageClass.volumeBindingMode !== 'WaitForFirstConsumer') return refuses('PersistentVolume had no name', false)
  }
  return wishes
}

function isInZones(wishes: readonly ZoneWish[], { metadata }: Node): boolean {
  const labels = metadata.labels ?? {}
  if (!ZONE_LABELS.some((key) => labels[key] !== undefined)) return true
  return wishes.every(({ key, values }) => {
    const value = labels[key] ?? labels[STABLE_LABEL[key] ?? key]
    return value !== undefined && values.has(value)
  })
}

export function newVolumeZone(listers: VolumeListers): Plugin {
  return {
    name: 'VolumeZone',
    events: [
      {
        resource: 'StorageClass',
        actions: ADD,
        mayHelp: (_, { after }) => (after as StorageClass | undefined)?.volumeBindingMode === 'WaitForFirstConsumer',
      },
      { resource: 'Node', actions: ADD | UPDATE_NODE_LABEL },
      { resource: 'PersistentVolumeClaim', actions: ADD | UPDATE, mayHelp: isOwnClaim },
      {
        resource: 'PersistentVolume',
        actions: ADD | UPDATE,
        mayHelp: (_, { before, after }) =>
          !before || !deepEqual(zoneLabels(before as PersistentVolume), zoneLabels(after as PersistentVolume)),
      },
    ],
    prepare({ pod }) {
      const wishes = zonesOf(pod, listers)
      if (!Array.isArray(wishes)) return wishes
      if (wishes.length === 0) return undefined
      return { filter: ({ node }) => (isInZones(wishes, node) ? FITS : refuses('node(s) had no available volume zone', false)) }
    },
  }
}

const ZONE = 'topology.kubernetes.io/zone'

function csiOf({ spec, metadata }: PersistentVolume): CsiVolume | undefined {
  const csi = spec?.csi
  return csi ? { driver: csi.driver, handle: csi.volumeHandle } : successorOf(spec ?? {}, metadata.labels?.[ZONE])
}

/** Volumes that a pod attaches by CSI, as `driver/handle` → driver. Claims without a volume yet count as one each. */
function csiVolumesOf(pod: Pod, { claims, volumes, classes }: VolumeListers): Map<string, string> {
  const found = new Map<string, string>()
  const add = (volume: CsiVolume | undefined): unknown => volume && found.set(`${volume.driver}/${volume.handle}`, volume.driver)
  for (const volume of pod.spec.volumes ?? []) {
    const name = claimNameOf(pod, volume)
    if (name === undefined) {
      add(successorOf(volume))
      continue
    }
    const claim = claims.get(`${pod.metadata.namespace}/${name}`)
    if (!claim) continue
    const bound = volumes.get(claim.spec.volumeName ?? '')
    if (bound) {
      add(csiOf(bound))
    } else if (!claim.spec.volumeName) {
      const provisioner = classes.get(storageClassOf(claim))?.provisioner
      if (provisioner) add({ driver: driverOf(provisioner), handle: `${claim.metadata.namespace}/${claim.metadata.name}` })
    }
  }
  return found
}

function attachedTo(nodeName: string, { attachments, volumes }: VolumeListers): Map<string, string> {
  const found = new Map<string, string>()
  for (const { spec } of attachments.byIndex(ATTACHMENTS_BY_NODE, nodeName)) {
    const { inlineVolumeSpec, persistentVolumeName } = spec.source
    const bound = volumes.get(persistentVolumeName ?? '')
    const volume = inlineVolumeSpec?.csi
      ? { driver: inlineVolumeSpec.csi.driver, handle: inlineVolumeSpec.csi.volumeHandle }
      : inlineVolumeSpec
        ? successorOf(inlineVolumeSpec)
        : bound && csiOf(bound)
    if (volume) found.set(`${volume.driver}/${volume.handle}`, spec.attacher)
  }
  return found
}

const count = (drivers: Iterable<string>): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const driver of drivers) counts.set(driver, (counts.get(driver) ?? 0) + 1)
  return counts
}

function limitsFit(wanted: ReadonlyMap<string, string>, nodeName: string, pods: Iterable<Pod>, listers: VolumeListers): Verdict {
  const drivers = listers.nodes.get(nodeName)?.spec.drivers ?? []
  for (const driver of new Set(wanted.values()))
    if (listers.drivers.get(driver)?.spec.preventPodSchedulingIfMissing && !drivers.some(({ name }) => name === driver))
      return refuses(`${driver} CSI driver is not installed on the node`, true)
  const limited = drivers.filter(({ allocatable }) => allocatable?.count !== undefined)
  if (limited.length === 0) return FITS
  const attached = attachedTo(nodeName, listers)
  for (const pod of pods) for (const [volume, driver] of csiVolumesOf(pod, listers)) attached.set(volume, driver)
  const used = count(attached.values())
  const more = count([...wanted].filter(([volume]) => !attached.has(volume)).map(([, driver]) => driver))
  const isOver = limited.some(({ name, allocatable }) => {
    const added = more.get(name) ?? 0
    return added > 0 && (used.get(name) ?? 0) + added > (allocatable?.count as number)
  })
  return isOver ? refuses('node(s) exceed max volume count', true) : FITS
}

const limitsOf = (node: ClusterEvent['after']): Map<string, number> =>
  new Map(((node as CSINode | undefined)?.spec.drivers ?? []).map(({ name, allocatable }) => [name, allocatable?.count ?? 0]))

function isLimitRaised(_: Pod, { before, after }: ClusterEvent): boolean {
  const old = limitsOf(before)
  return !before || [...limitsOf(after)].some(([driver, limit]) => limit > (old.get(driver) ?? 0))
}

function isHelpedByDetaching({ spec }: Pod, { before }: ClusterEvent): boolean {
  const { attacher } = (before as VolumeAttachment).spec
  return (spec.volumes ?? []).some((volume) => volume.persistentVolumeClaim || successorOf(volume)?.driver === attacher)
}

export function newNodeVolumeLimits(listers: VolumeListers): Plugin {
  return {
    name: 'NodeVolumeLimits',
    events: [
      { resource: 'CSINode', actions: ADD | UPDATE, mayHelp: isLimitRaised },
      { resource: 'Pod', actions: DELETE, mayHelp: (_, { before }) => claimNamesOf(before as Pod).length > 0 },
      { resource: 'PersistentVolumeClaim', actions: ADD, mayHelp: isOwnClaim },
      { resource: 'VolumeAttachment', actions: DELETE, mayHelp: isHelpedByDetaching },
    ],
    prepare({ pod, claims }) {
      if (claims.length === 0 && !pod.spec.volumes?.some((volume) => successorOf(volume))) return undefined
      const wanted = csiVolumesOf(pod, listers)
      if (wanted.size === 0) return undefined
      return {
        filter: (node) =>
          limitsFit(
            wanted,
            node.name,
            Array.from(node.pods.values(), (info) => info.pod),
            listers,
          ),
      }
    },
  }
}
