/**
 * What a pod's claims lead to: the persistent volume is looked up, checked to be meant for this claim, this pod and this node
 * (as upstream's volume manager does), and then brought into the pod's folder by its kind.
 */
import { chmod, mkdir, stat } from 'node:fs/promises'
import { isOfHostPathClass } from '../../api/hostPathClass.ts'
import { nodes, persistentvolumeclaims, persistentvolumes } from '../../api/kinds/core/v1.ts'
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/kinds/core/v1.ts'
import { isControlledBy } from '../../api/meta.ts'
import { matchesNodeSelectorTerms } from '../../api/nodeSelector.ts'
import type { Client } from '../../client/client.ts'
import type { DriverVolumes } from './driverVolumes.ts'
import { prepareHostPath } from './hostPath.ts'
import { mountLocal } from './localVolume.ts'
import { mountNfs } from './nfs.ts'
import { adoptForPod } from './ownership.ts'
import { published, type PreparedVolume } from './preparedVolume.ts'
import { ClaimError, NotAttachedError, VolumeError, volumeError } from './volumeErrors.ts'

export interface WantedClaim {
  pod: Pod
  /** Of the pod. */
  volume: Volume
  claimName: string
  readOnly: boolean
  /** When the volume is to be looked at again. */
  onAgain(atMs: number): void
}

export interface ClaimedVolumesOptions {
  client: Client
  nodeName: string
  csi?: DriverVolumes
  /** Where a volume of the kind is, or is to be, mounted for the pod. */
  directory(pod: Pod, plugin: string, volume: string): string
  isMounted(pod: Pod, directory: string): Promise<boolean>
}

interface Found {
  claim: PersistentVolumeClaim
  persistent: PersistentVolume
}

export class ClaimedVolumes {
  readonly #options: ClaimedVolumesOptions
  /** Uids of the pods that have a volume, by its name. */
  readonly #holders = new Map<string, Set<string>>()

  constructor(options: ClaimedVolumesOptions) {
    this.#options = options
  }

  async prepare(wanted: WantedClaim, signal: AbortSignal): Promise<PreparedVolume> {
    const found = await this.#find(wanted, signal)
    const { persistent } = found
    const { name } = persistent.metadata
    await this.#checkNode(persistent, signal)
    this.#hold(wanted.pod, persistent)
    try {
      return await this.#bring(wanted, found, signal)
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof VolumeError || error instanceof NotAttachedError ? error : volumeError(name, error)
    }
  }

  /** The pod's volumes are gone. */
  release(podUid: string): void {
    for (const [name, holders] of this.#holders) if (holders.delete(podUid) && holders.size === 0) this.#holders.delete(name)
  }

  async #find({ pod, volume, claimName }: WantedClaim, signal: AbortSignal): Promise<Found> {
    const { client } = this.#options
    const { namespace, name } = pod.metadata
    const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))
    const refuse = (why: string): never => {
      throw new ClaimError(`error processing PVC ${namespace}/${claimName}: ${why}`)
    }
    const claim = await client.get(persistentvolumeclaims, { namespace, name: claimName, signal }).catch((error: unknown) => {
      signal.throwIfAborted()
      return refuse(`failed to fetch PVC from API server: ${text(error)}`)
    })
    const why = claimMisfit(claim)
    if (why) return refuse(why)
    if (volume.ephemeral && !isControlledBy(claim, pod))
      throw new ClaimError(`PVC ${namespace}/${claimName} was not created for pod ${namespace}/${name} (pod is not owner)`)
    const bound = claim.spec.volumeName ?? ''
    const persistent = await client.get(persistentvolumes, { name: bound, signal }).catch((error: unknown) => {
      signal.throwIfAborted()
      return refuse(`failed to fetch PV ${bound} from API server: ${text(error)}`)
    })
    const mismatch = volumeMisfit(persistent, claim)
    if (mismatch) return refuse(mismatch)
    checkMode(pod, volume.name, persistent.spec.volumeMode ?? 'Filesystem')
    return { claim, persistent }
  }

  /** Whoever put the pod here past the scheduler may not have looked. */
  async #checkNode({ metadata, spec }: PersistentVolume, signal: AbortSignal): Promise<void> {
    const terms = spec.nodeAffinity?.required?.nodeSelectorTerms
    if (!terms) return
    const { client, nodeName } = this.#options
    const node = await client.get(nodes, { name: nodeName, signal })
    if (!matchesNodeSelectorTerms(terms, node))
      throw volumeError(
        metadata.name,
        'no matching NodeSelectorTerms',
        `${spec.volumeMode === 'Block' ? 'MapVolume' : 'MountVolume'}.NodeAffinity check failed`,
      )
  }

  #hold({ metadata: { uid } }: Pod, { metadata: { name }, spec }: PersistentVolume): void {
    const holders = this.#holders.get(name) ?? new Set()
    const isForOne = spec.accessModes?.length === 1 && spec.accessModes[0] === 'ReadWriteOncePod'
    if (isForOne && [...holders].some((other) => other !== uid))
      throw volumeError(name, 'volume uses the ReadWriteOncePod access mode and is already in use by another pod')
    this.#holders.set(name, holders.add(uid))
  }

  async #bring(wanted: WantedClaim, { claim, persistent }: Found, signal: AbortSignal): Promise<PreparedVolume> {
    const { pod, volume, readOnly, onAgain } = wanted
    const { spec } = persistent
    const { csi, directory, isMounted } = this.#options
    const { hostPath, local, nfs, mountOptions = [], volumeMode } = spec
    const block = volumeMode === 'Block'
    if (spec.csi && csi) {
      const onlyRead = readOnly || spec.csi.readOnly === true
      const brought = await csi.publishPersistent(pod, volume.name, persistent, { readOnly: onlyRead, block, claim }, signal)
      return { ...(await published(pod, brought, onlyRead, onAgain)), ...(block && { device: true }) }
    }
    const path = hostPath?.path ?? local?.path
    if (block && path !== undefined) return blockDevice(persistent, path, readOnly)
    if (nfs) {
      const onlyRead = readOnly || nfs.readOnly === true
      const target = directory(pod, 'nfs', volume.name)
      if (!(await isMounted(pod, target))) await mountNfs({ ...nfs, readOnly: onlyRead }, mountOptions, target, signal)
      return { hostPath: target, readOnly: onlyRead }
    }
    if (local) {
      const target = directory(pod, 'local-volume', volume.name)
      if (await isMounted(pod, target)) return { hostPath: target, readOnly }
      await mountLocal({ path: local.path, fsType: local.fsType ?? '', readOnly, mountOptions }, target, signal)
      if (!readOnly) await adoptForPod(pod, target)
      return { hostPath: target, readOnly }
    }
    if (hostPath) {
      if (mountOptions.length > 0)
        throw volumeError(
          persistent.metadata.name,
          'mount options are not supported for this volume type',
          'MountVolume.MountOptionSupport check failed',
        )
      // The provisioner's users are any users: what it makes is everybody's, as its kin elsewhere do.
      if (isOfHostPathClass(persistent)) await makeForEverybody(hostPath.path)
      await prepareHostPath(hostPath.path, hostPath.type)
      return { hostPath: hostPath.path, readOnly }
    }
    throw new Error(`persistent volumes of type ${sourceOf(persistent)} are not supported on this node`)
  }
}

/** Why a claim leads nowhere; undefined when it leads to a volume. */
function claimMisfit({ metadata, spec, status }: PersistentVolumeClaim): string | undefined {
  // One that is protected is leaving only after its last pod.
  if (metadata.deletionTimestamp && !metadata.finalizers?.includes('kubernetes.io/pvc-protection')) return 'PVC is being deleted'
  if (status?.phase !== 'Bound') return 'PVC is not bound'
  return spec.volumeName ? undefined : 'PVC has empty pvc.Spec.VolumeName'
}

function volumeMisfit({ metadata: { name }, spec: { claimRef } }: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (!claimRef) return `found PV object ${name} but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim`
  const { uid } = claim.metadata
  if (claimRef.uid === uid) return undefined
  return `found PV object ${name} but its pv.Spec.ClaimRef.UID ${claimRef.uid} does not point to claim.UID ${uid}`
}

const NOT_A_SOURCE: ReadonlySet<string> = new Set(['accessModes', 'capacity', 'claimRef', 'mountOptions', 'nodeAffinity'])

function sourceOf({ spec }: PersistentVolume): string {
  return Object.entries(spec).find(([key, value]) => typeof value === 'object' && !NOT_A_SOURCE.has(key))?.[0] ?? 'unknown'
}

/** A volume is mounted, or handed on as a device, as its claim says. */
function checkMode({ spec }: Pod, volumeName: string, mode: string): void {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = spec ?? {}
  const all = [...initContainers, ...containers, ...ephemeralContainers]
  const mounted = all.some(({ volumeMounts = [] }) => volumeMounts.some(({ name }) => name === volumeName))
  const mapped = all.some(({ volumeDevices = [] }) => volumeDevices.some(({ name }) => name === volumeName))
  if (mode !== 'Filesystem' && mounted)
    throw new ClaimError(`volume ${volumeName} has volumeMode ${mode}, but is specified in volumeMounts`)
  if (mode !== 'Block' && mapped) throw new ClaimError(`volume ${volumeName} has volumeMode ${mode}, but is specified in volumeDevices`)
}

async function blockDevice({ metadata }: PersistentVolume, path: string, readOnly: boolean): Promise<PreparedVolume> {
  const info = await stat(path).catch(() => undefined)
  if (!info?.isBlockDevice())
    throw volumeError(metadata.name, `path "${path}" is not a block device of this node`, 'MapVolume.MapPodDevice failed')
  return { hostPath: path, readOnly, device: true }
}

async function makeForEverybody(path: string): Promise<void> {
  if ((await mkdir(path, { recursive: true })) !== undefined) await chmod(path, 0o777)
}
