/**
 * The volumes of pods on this node: makes each one's directory before the containers start, keeps the files that come
 * from API objects current, and takes all of it away when the pod is gone. Preparing again changes only what differs.
 */
import { chmod, lstat, mkdir, readdir, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Pod, Volume } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import { run } from '../../base/exec.ts'
import type { Client } from '../../client/client.ts'
import type { PodFacts } from '../pods/fieldRef.ts'
import { podDirectories } from '../pods/podDirectories.ts'
import type { ObjectReference, PodObjects } from '../pods/podObjects.ts'
import type { Image, Runtime } from '../runtime/runtime.ts'
import { writeAtomically } from './atomicWriter.ts'
import { ClaimedVolumes } from './claimedVolumes.ts'
import { emptyDirMount } from './emptyDir.ts'
import { fileKindOf, pluginOf, type FileKind } from './fileVolumes.ts'
import { prepareHostPath } from './hostPath.ts'
import { mountsBelow } from './mounts.ts'
import { mountNfs } from './nfs.ts'
import { adoptForPod } from './ownership.ts'
import { published, type PreparedVolume, type PreparedVolumes } from './preparedVolume.ts'
import { projectedPayload } from './projected.ts'
import type { ProjectedSources } from './projected.ts'
import { ServiceAccountTokens } from './serviceAccountToken.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { DriverVolumes } from './driverVolumes.ts'
import { VolumeMeasures } from './volumeMeasures.ts'
import { ClaimError, NotAttachedError, podVolumesError, VolumeError, volumeError } from './volumeErrors.ts'

export interface VolumesOptions {
  client: Client
  nodeName: string
  clock: Clock
  objects: PodObjects
  rootDir: string
  /** A folder in memory: what is secret is never written to a disk. Without one it is with the other volumes. */
  memoryDir?: string
  runtime: Pick<Runtime, 'mountImage'>
  /** What all pods together may have: no volume in memory is larger. */
  memoryBytes: number
  csi?: DriverVolumes
  measures?: KubeletMeasures
}

const UNMOUNT_TIMEOUT_MS = 10_000
/** As of an emptyDir on disk and one in memory, in which upstream puts such files. */
const DISK_MODE = 0o777
const MEMORY_MODE = 0o1777

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

export class Volumes {
  readonly #options: VolumesOptions
  readonly #tokens: ServiceAccountTokens
  readonly #claimed: ClaimedVolumes
  readonly #measures: VolumeMeasures
  /** Ids of images that are mounted, by pod and volume. */
  readonly #images = new Map<string, Map<string, string>>()

  constructor(options: VolumesOptions) {
    this.#options = options
    this.#tokens = new ServiceAccountTokens(options)
    const { client, nodeName, csi, clock, measures } = options
    this.#measures = new VolumeMeasures(measures, clock)
    this.#claimed = new ClaimedVolumes({
      client,
      nodeName,
      ...(csi && { csi }),
      directory: (...where) => this.#directory(...where),
      isMounted: (pod, directory) => this.#isMounted(pod, directory),
    })
  }

  async prepare(pod: Pod, facts: PodFacts, signal: AbortSignal): Promise<PreparedVolumes> {
    const used = usedVolumes(pod)
    let renewAtMs: number | undefined
    const onToken = (at: number): void => {
      renewAtMs = Math.min(renewAtMs ?? at, at)
    }
    const volumes = (pod.spec?.volumes ?? []).filter((volume) => used.has(volume.name))
    const prepared = new Map<string, PreparedVolume>()
    const failed = new Map<string, unknown>()
    await Promise.all(
      volumes.map(async (volume) => {
        try {
          prepared.set(volume.name, await this.#prepareOne(pod, volume, facts, onToken, signal))
        } catch (error) {
          failed.set(volume.name, error)
        }
      }),
    )
    signal.throwIfAborted()
    if (failed.size > 0) throw podVolumesError(failed)
    return { byName: prepared, renewAtMs }
  }

  async #prepareOne(
    pod: Pod,
    volume: Volume,
    facts: PodFacts,
    onToken: (atMs: number) => void,
    signal: AbortSignal,
  ): Promise<PreparedVolume> {
    const { uid } = pod.metadata
    const sinceMs = this.#options.clock.now()
    try {
      const prepared = await this.#setUp(pod, volume, facts, onToken, signal)
      this.#measures.mounted(uid, volume, prepared, sinceMs)
      return prepared
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof ClaimError || error instanceof NotAttachedError) throw error
      this.#measures.mounted(uid, volume, undefined, sinceMs)
      throw error instanceof VolumeError ? error : volumeError(volume.name, error)
    }
  }

  async #setUp(pod: Pod, volume: Volume, facts: PodFacts, onToken: (atMs: number) => void, signal: AbortSignal): Promise<PreparedVolume> {
    if (volume.hostPath) {
      await prepareHostPath(volume.hostPath.path, volume.hostPath.type)
      return { hostPath: volume.hostPath.path, readOnly: false }
    }
    if (volume.persistentVolumeClaim) {
      const { claimName, readOnly = false } = volume.persistentVolumeClaim
      return this.#claimed.prepare({ pod, volume, claimName, readOnly, onAgain: onToken }, signal)
    }
    if (volume.ephemeral) {
      const claimName = `${pod.metadata.name}-${volume.name}`
      return this.#claimed.prepare({ pod, volume, claimName, readOnly: false, onAgain: onToken }, signal)
    }
    if (fileKindOf(volume)) return this.#files(pod, volume, facts, onToken, signal)
    if (volume.csi && this.#options.csi)
      return published(pod, await this.#options.csi.publishInline(pod, volume, signal), volume.csi.readOnly ?? false, onToken)
    if (volume.nfs) {
      const directory = this.#directory(pod, 'nfs', volume.name)
      if (!(await this.#isMounted(pod, directory))) await mountNfs(volume.nfs, [], directory, signal)
      return { hostPath: directory, readOnly: volume.nfs.readOnly ?? false }
    }
    const kind = kindOf(volume)
    if (kind === 'image') {
      // It is mounted once the image is there, which the containers wait for.
      const directory = this.#directory(pod, 'image', volume.name)
      await mkdir(directory, { recursive: true })
      return { hostPath: directory, readOnly: true }
    }
    if (kind === 'emptyDir') return this.#emptyDir(pod, volume, signal)
    throw new Error(`volumes of type ${kind} are not supported on this node`)
  }

  #directory(pod: Pod, plugin: string, volume: string): string {
    return join(podDirectories(this.#options.rootDir, pod.metadata.uid).volumes, `kubernetes.io~${plugin}`, volume)
  }

  async #isMounted(pod: Pod, directory: string): Promise<boolean> {
    const { volumes } = podDirectories(this.#options.rootDir, pod.metadata.uid)
    return (await mountsBelow(volumes)).includes(directory)
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
      throw error
    }
    // What is in memory is everybody's as /tmp is: a file goes by its owner's hand alone.
    await chmod(directory, medium ? 0o1777 : 0o777)
    await adoptForPod(pod, directory)
    return { hostPath: directory, readOnly: false }
  }

  async #files(pod: Pod, volume: Volume, facts: PodFacts, onToken: (atMs: number) => void, signal: AbortSignal): Promise<PreparedVolume> {
    const { objects } = this.#options
    const { namespace } = pod.metadata
    const kind = fileKindOf(volume) ?? 'projected'
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
    const mode = kind === 'configMap' ? DISK_MODE : MEMORY_MODE
    const directory = await this.#directoryOfFiles(pod, kind, volume.name)
    await writeAtomically(directory, payload, { mode, ...(gid !== undefined && { gid }) })
    return { hostPath: directory, readOnly: true }
  }

  /** Where files of such a volume are; for those in memory the usual place shows there. */
  async #directoryOfFiles(pod: Pod, kind: FileKind, name: string): Promise<string> {
    const { memoryDir } = this.#options
    const usual = this.#directory(pod, pluginOf(kind), name)
    if (kind === 'configMap' || memoryDir === undefined) {
      await mkdir(usual, { recursive: true })
      return usual
    }
    const directory = join(memoryDir, pod.metadata.uid, pluginOf(kind), name)
    await mkdir(directory, { recursive: true })
    if (!(await lstat(usual).catch(() => undefined))) {
      await mkdir(dirname(usual), { recursive: true })
      await symlink(directory, usual)
    }
    return directory
  }

  /** Shows an image in its volume; one that is shown stays as it is for the pod's life. */
  async showImage(pod: Pod, volumeName: string, { id }: Pick<Image, 'id'>, signal: AbortSignal): Promise<void> {
    const { uid } = pod.metadata
    const known = this.#images.get(uid) ?? new Map<string, string>()
    this.#images.set(uid, known)
    const directory = this.#directory(pod, 'image', volumeName)
    await mkdir(directory, { recursive: true })
    if (!known.has(volumeName) && !(await this.#isMounted(pod, directory))) await this.#options.runtime.mountImage(id, directory, signal)
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
    const { rootDir, memoryDir, clock } = this.#options
    const sinceMs = clock.now()
    if (memoryDir !== undefined) await rm(join(memoryDir, podUid), { recursive: true, force: true })
    const { pod, volumes } = podDirectories(rootDir, podUid)
    if (await readdir(pod).catch(() => undefined)) {
      await this.#options.csi?.tearDown(podUid)
      for (const mounted of await mountsBelow(pod)) await run('umount', ['-l', mounted], { timeoutMs: UNMOUNT_TIMEOUT_MS })
      await rm(volumes, { recursive: true, force: true })
    }
    this.#claimed.release(podUid)
    this.#measures.unmounted(podUid, sinceMs)
  }
}

function usedVolumes(pod: Pod): Set<string> {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {}
  return new Set(
    [...initContainers, ...containers, ...ephemeralContainers].flatMap((c) =>
      [...(c.volumeMounts ?? []), ...(c.volumeDevices ?? [])].map(({ name }) => name),
    ),
  )
}
