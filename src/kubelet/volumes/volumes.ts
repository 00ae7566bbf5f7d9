/**
 * The volumes of pods on this node: makes each one's directory before the containers start, keeps the files that come
 * from API objects current, and takes all of it away when the pod is gone. Preparing again changes only what differs.
 */
import { mkdir, readdir, readFile, rm, stat, chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { persistentvolumeclaims, persistentvolumes } from '../../api/kinds/core/v1.ts'
import type { NFSVolumeSource, PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import { run } from '../../base/exec.ts'
import type { Client } from '../../client/client.ts'
import type { CsiVolumes, PublishedVolume } from '../csi/csiVolumes.ts'
import type { PodFacts } from '../containers/fieldRef.ts'
import { podDirectories } from '../podDirectories.ts'
import type { ObjectReference, PodObjects } from '../podObjects.ts'
import type { Image, Runtime } from '../runtime/runtime.ts'
import { writeAtomically } from './atomicWriter.ts'
import { EmptyDirError, emptyDirMount } from './emptyDir.ts'
import { prepareHostPath } from './hostPath.ts'
import { mountNfs } from './nfs.ts'
import { applyFsGroup } from './ownership.ts'
import { projectedPayload } from './projected.ts'
import type { ProjectedSources } from './projected.ts'
import { ServiceAccountTokens } from './serviceAccountToken.ts'

/** A volume that a container can mount. */
export interface PreparedVolume {
  hostPath: string
  /** The volume as a whole may not be written. */
  readOnly: boolean
  /** A block device of the node instead of a directory. */
  device?: boolean
}

export interface PreparedVolumes {
  byName: ReadonlyMap<string, PreparedVolume>
  /** When a token in them wants to be renewed. */
  renewAtMs: number | undefined
}

/** One volume that cannot be had (yet). The message is that of upstream's FailedMount event. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError'
}

export interface VolumesOptions {
  client: Client
  clock: Clock
  objects: PodObjects
  rootDir: string
  runtime: Pick<Runtime, 'mountImage'>
  /** What all pods together may have: no volume in memory is larger. */
  memoryBytes: number
  csi?: CsiVolumes
}

const UNMOUNT_TIMEOUT_MS = 10_000
/** What a volume of these kinds is made from; each is served from the pod's own directory. */
const KINDS_WITH_FILES = ['configMap', 'secret', 'downwardAPI', 'projected'] as const

function kindOf(volume: Volume): string {
  return Object.keys(volume).find((key) => key !== 'name') ?? 'emptyDir'
}

/** The objects that a pod's volumes are made from. */
export function volumeReferences(pod: Pod): ObjectReference[] {
  const { namespace } = pod.metadata
  const references: ObjectReference[] = []
  const add = (kind: ObjectReference['kind'], name: string | undefined): void => {
    if (name) references.push({ kind, namespace, name })
  }
  for (const volume of pod.spec?.volumes ?? []) {
    add('ConfigMap', volume.configMap?.name)
    add('Secret', volume.secret?.secretName)
    for (const source of volume.projected?.sources ?? []) {
      add('ConfigMap', source.configMap?.name)
      add('Secret', source.secret?.name)
    }
  }
  return references
}

interface WantedClaim {
  volumeName: string
  claimName: string
  readOnly: boolean
  /** When the volume is to be looked at again. */
  onAgain(atMs: number): void
}

export class Volumes {
  readonly #options: VolumesOptions
  readonly #tokens: ServiceAccountTokens
  /** Ids of images that are mounted, by pod and volume. */
  readonly #images = new Map<string, Map<string, string>>()

  constructor(options: VolumesOptions) {
    this.#options = options
    this.#tokens = new ServiceAccountTokens(options)
  }

  async prepare(pod: Pod, facts: PodFacts, signal: AbortSignal): Promise<PreparedVolumes> {
    const used = usedVolumes(pod)
    let renewAtMs: number | undefined
    const onToken = (at: number): void => {
      renewAtMs = Math.min(renewAtMs ?? at, at)
    }
    const volumes = (pod.spec?.volumes ?? []).filter((volume) => used.has(volume.name))
    const prepared = await Promise.allSettled(
      volumes.map(async (volume) => [volume.name, await this.#prepareOne(pod, volume, facts, onToken, signal)] as const),
    )
    signal.throwIfAborted()
    const failed = prepared.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
    return { byName: new Map(prepared.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))), renewAtMs }
  }

  async #prepareOne(
    pod: Pod,
    volume: Volume,
    facts: PodFacts,
    onToken: (atMs: number) => void,
    signal: AbortSignal,
  ): Promise<PreparedVolume> {
    try {
      const prepared = await this.#setUp(pod, volume, facts, onToken, signal)
      return prepared
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof VolumeError) throw error
      const text = error instanceof Error ? error.message : String(error)
      throw new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${text}`, { cause: error })
    }
  }

  async #setUp(pod: Pod, volume: Volume, facts: PodFacts, onToken: (atMs: number) => void, signal: AbortSignal): Promise<PreparedVolume> {
    if (volume.hostPath) {
      await prepareHostPath(volume.hostPath.path, volume.hostPath.type)
      return { hostPath: volume.hostPath.path, readOnly: false }
    }
    if (volume.persistentVolumeClaim) {
      const { claimName, readOnly = false } = volume.persistentVolumeClaim
      return this.#claim(pod, { volumeName: volume.name, claimName, readOnly, onAgain: onToken }, signal)
    }
    if (volume.ephemeral) {
      const claimName = `${pod.metadata.name}-${volume.name}`
      return this.#claim(pod, { volumeName: volume.name, claimName, readOnly: false, onAgain: onToken }, signal)
    }
    if (KINDS_WITH_FILES.some((kind) => volume[kind])) return this.#files(pod, volume, facts, onToken, signal)
    if (volume.csi && this.#options.csi)
      return this.#published(pod, await this.#options.csi.publishInline(pod, volume, signal), volume.csi.readOnly ?? false, onToken)
    if (volume.nfs) return this.#nfs(pod, volume.name, volume.nfs, [], signal)
    const kind = kindOf(volume)
    if (kind === 'image') {
      // It is mounted once the image is there, which the containers wait for.
      const directory = this.#directory(pod, 'image', volume.name)
      await mkdir(directory, { recursive: true })
      return { hostPath: directory, readOnly: true }
    }
    if (kind === 'emptyDir') return this.#emptyDir(pod, volume, signal)
    throw new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : volumes of type ${kind} are not supported on this node`)
  }

  #directory(pod: Pod, plugin: string, volume: string): string {
    return join(podDirectories(this.#options.rootDir, pod.metadata.uid).volumes, `kubernetes.io~${plugin}`, volume)
  }

  async #emptyDir(pod: Pod, volume: Volume, signal: AbortSignal): Promise<PreparedVolume> {
    const directory = this.#directory(pod, 'empty-dir', volume.name)
    const { medium } = volume.emptyDir ?? {}
    const isNew = (await mkdir(directory, { recursive: true })) !== undefined
    if (!isNew) return { hostPath: directory, readOnly: false }
    try {
      const mount = emptyDirMount(pod, volume.emptyDir ?? {}, this.#options.memoryBytes)
      if (mount) await run('mount', ['-t', mount.type, '-o', mount.options, mount.type, directory], { signal })
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error instanceof EmptyDirError
        ? new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${error.message}`)
        : error
    }
    // What is in memory is everybody's as /tmp is: a file goes by its owner's hand alone.
    await chmod(directory, medium ? 0o1777 : 0o777)
    await this.#adopt(pod, directory, false)
    return { hostPath: directory, readOnly: false }
  }

  async #adopt(pod: Pod, directory: string, readOnly: boolean): Promise<void> {
    const { fsGroup: gid, fsGroupChangePolicy: policy } = pod.spec?.securityContext ?? {}
    if (gid !== undefined) await applyFsGroup(directory, { gid, policy, readOnly })
  }

  async #files(pod: Pod, volume: Volume, facts: PodFacts, onToken: (atMs: number) => void, signal: AbortSignal): Promise<PreparedVolume> {
    const { objects } = this.#options
    const { namespace } = pod.metadata
    const plugins = { configMap: 'configmap', secret: 'secret', downwardAPI: 'downward-api', projected: 'projected' }
    const kind = KINDS_WITH_FILES.find((name) => volume[name]) ?? 'projected'
    const directory = this.#directory(pod, plugins[kind], volume.name)
    const sources: ProjectedSources = {
      facts,
      configMap: (name) => objects.configMap(namespace, name, signal),
      secret: (name) => objects.secret(namespace, name, signal),
      token: async (projection) => {
        const token = await this.#tokens.get(pod, projection, signal)
        onToken(token.renewAtMs)
        return token.value
      },
    }
    const payload = await projectedPayload(pod, volume, sources)
    const gid = pod.spec?.securityContext?.fsGroup
    await writeAtomically(directory, payload, gid === undefined ? {} : { gid })
    return { hostPath: directory, readOnly: true }
  }

  async #claim(pod: Pod, wanted: WantedClaim, signal: AbortSignal): Promise<PreparedVolume> {
    const { claimName } = wanted
    const { client } = this.#options
    const { namespace } = pod.metadata
    const claim = await client.get(persistentvolumeclaims, { namespace, name: claimName, signal })
    if (claim.metadata.deletionTimestamp && claim.status?.phase !== 'Bound')
      throw new Error(`can't start pod because PVC ${namespace}/${claimName} is being deleted`)
    const bound = claim.spec?.volumeName
    if (!bound || claim.status?.phase !== 'Bound') throw new Error(`PVC ${namespace}/${claimName} is not bound`)
    const volume = await client.get(persistentvolumes, { name: bound, signal })
    return this.#persistentVolume(pod, wanted, claim, volume, signal)
  }

  async #persistentVolume(
    pod: Pod,
    { volumeName, readOnly, onAgain }: WantedClaim,
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    signal: AbortSignal,
  ): Promise<PreparedVolume> {
    const { hostPath, local, nfs, mountOptions = [], volumeMode, accessModes = [] } = volume.spec ?? {}
    checkMode(pod, volumeName, volumeMode ?? 'Filesystem')
    const { csi } = this.#options
    if (volume.spec.csi && csi) {
      const block = volumeMode === 'Block'
      const onlyRead = readOnly || volume.spec.csi.readOnly === true
      const published = await csi.publishPersistent(pod, volumeName, volume, { readOnly: onlyRead, block, claim }, signal)
      return { ...(await this.#published(pod, published, onlyRead, onAgain)), ...(block && { device: true }) }
    }
    if (nfs) return this.#nfs(pod, volumeName, { ...nfs, readOnly: readOnly || nfs.readOnly === true }, mountOptions, signal)
    const path = hostPath?.path ?? local?.path
    if (path === undefined) {
      const kind = Object.keys(volume.spec ?? {}).find(
        (key) => typeof (volume.spec as Record<string, unknown>)[key] === 'object' && !NOT_A_SOURCE.has(key),
      )
      throw new VolumeError(
        `MountVolume.SetUp failed for volume "${volumeName}" : persistent volumes of type ${kind ?? 'unknown'} are not supported on this node`,
      )
    }
    if (volumeMode === 'Block') return blockDevice(volumeName, path, readOnly)
    if (hostPath) await prepareHostPath(path, hostPath.type)
    else if (!(await stat(path).catch(() => undefined))) throw new Error(`path "${path}" does not exist`)
    const onlyRead = readOnly || accessModes.every((mode) => mode === 'ReadOnlyMany')
    if (!hostPath && !onlyRead) await this.#adopt(pod, path, false)
    return { hostPath: path, readOnly: onlyRead && accessModes.length > 0 }
  }

  async #published(
    pod: Pod,
    { hostPath, toGroup, againAtMs }: PublishedVolume,
    readOnly: boolean,
    onAgain: (atMs: number) => void,
  ): Promise<PreparedVolume> {
    if (againAtMs !== undefined) onAgain(againAtMs)
    if (toGroup && !readOnly) await this.#adopt(pod, hostPath, false)
    return { hostPath, readOnly }
  }

  async #nfs(
    pod: Pod,
    name: string,
    source: NFSVolumeSource,
    mountOptions: readonly string[],
    signal: AbortSignal,
  ): Promise<PreparedVolume> {
    const directory = this.#directory(pod, 'nfs', name)
    const { volumes } = podDirectories(this.#options.rootDir, pod.metadata.uid)
    if (!(await mountsBelow(volumes)).includes(directory)) await mountNfs(source, mountOptions, directory, signal)
    return { hostPath: directory, readOnly: source.readOnly ?? false }
  }

  /** Shows an image in its volume; one that is shown stays as it is for the pod's life. */
  async showImage(pod: Pod, volumeName: string, { id }: Pick<Image, 'id'>, signal: AbortSignal): Promise<void> {
    const { uid } = pod.metadata
    const known = this.#images.get(uid) ?? new Map<string, string>()
    this.#images.set(uid, known)
    const directory = this.#directory(pod, 'image', volumeName)
    await mkdir(directory, { recursive: true })
    const { volumes } = podDirectories(this.#options.rootDir, uid)
    if (!known.has(volumeName) && !(await mountsBelow(volumes)).includes(directory))
      await this.#options.runtime.mountImage(id, directory, signal)
    known.set(volumeName, known.get(volumeName) ?? id)
  }

  /** Images that volumes show. */
  imagesInUse(): Set<string> {
    return new Set([...this.#images.values()].flatMap((byVolume) => [...byVolume.values()]))
  }

  /** Unmounts what is mounted and removes the pod's volumes; persistent ones stay where they are. */
  async tearDown(podUid: string): Promise<void> {
    this.#tokens.forget(podUid)
    this.#images.delete(podUid)
    const { pod, volumes } = podDirectories(this.#options.rootDir, podUid)
    if (!(await readdir(pod).catch(() => undefined))) return
    await this.#options.csi?.tearDown(podUid)
    for (const mounted of await mountsBelow(pod)) await run('umount', ['-l', mounted], { timeoutMs: UNMOUNT_TIMEOUT_MS })
    await rm(volumes, { recursive: true, force: true })
  }
}

const NOT_A_SOURCE: ReadonlySet<string> = new Set(['accessModes', 'capacity', 'claimRef', 'mountOptions', 'nodeAffinity'])

/** A volume is mounted, or handed on as a device, as its claim says. */
function checkMode(pod: Pod, volumeName: string, mode: string): void {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {}
  const all = [...initContainers, ...containers, ...ephemeralContainers]
  const mounted = all.some(({ volumeMounts = [] }) => volumeMounts.some(({ name }) => name === volumeName))
  const mapped = all.some(({ volumeDevices = [] }) => volumeDevices.some(({ name }) => name === volumeName))
  if (mode === 'Block' && mounted) throw new VolumeError(`volume ${volumeName} has volumeMode Block, but is specified in volumeMounts`)
  if (mode !== 'Block' && mapped) throw new VolumeError(`volume ${volumeName} has volumeMode ${mode}, but is specified in volumeDevices`)
}

async function blockDevice(volumeName: string, path: string, readOnly: boolean): Promise<PreparedVolume> {
  const info = await stat(path).catch(() => undefined)
  if (!info?.isBlockDevice())
    throw new VolumeError(`MapVolume.MapPodDevice failed for volume "${volumeName}" : path "${path}" is not a block device of this node`)
  return { hostPath: path, readOnly, device: true }
}

function usedVolumes(pod: Pod): Set<string> {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {}
  return new Set(
    [...initContainers, ...containers, ...ephemeralContainers].flatMap((c) =>
      [...(c.volumeMounts ?? []), ...(c.volumeDevices ?? [])].map(({ name }) => name),
    ),
  )
}

/** Mount points below a directory, the deepest first. */
export async function mountsBelow(directory: string): Promise<string[]> {
  const mounts = await readFile('/proc/self/mounts', 'utf8').catch(() => '')
  return mounts
    .split('\n')
    .map((line) => (line.split(' ')[1] ?? '').replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))))
    .filter((path) => path.startsWith(`${directory}/`))
    .toSorted((a, b) => b.length - a.length)
}
