/**
 * Volumes that a storage driver brings: staged once on the node where the driver does so, published to each pod that mounts
 * it. What is needed to take it away again is written beside it, so that a kubelet that starts anew can.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { PersistentVolume, PersistentVolumeClaim, Pod, Secret, SecretReference, Volume } from '../../api/kinds/core/v1.ts'
import { csidrivers, volumeattachments, type CSIDriver } from '../../api/kinds/storage/v1.ts'
import { isForbidden, isNotFound } from '../../api/status.ts'
import { orAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'
import { podDirectories, podsDirectory } from '../pods/podDirectories.ts'
import type { Space } from '../volumes/space.ts'
import { inStep, NotAttachedError, VolumeStepError } from '../volumes/volumeErrors.ts'
import { ServiceAccountTokens } from '../volumes/serviceAccountToken.ts'
import { GET_VOLUME_STATS, STAGE_UNSTAGE_VOLUME, VOLUME_MOUNT_GROUP, type VolumeCall } from './driver.ts'
import type { CsiPlugins } from './plugins.ts'
import { growVolume, wantsToGrow } from './volumeGrowth.ts'

export interface CsiVolumesOptions {
  client: Client
  plugins: CsiPlugins
  rootDir: string
  nodeName: string
  clock: Clock
  /** The names of the volumes that the node uses have changed. */
  onInUse?(): void
  secret(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined>
}

/** A volume that is there for a pod. */
export interface PublishedVolume {
  hostPath: string
  /** The files are to be given to the pod's group: the driver wants it so, and has not done it itself. */
  toGroup: boolean
  /** When to look at it again. */
  againAtMs?: number
}

export interface PublishOptions {
  readOnly: boolean
  /** The pod wants the device instead of its file system. */
  block: boolean
  /** The claim by which the pod has the volume. */
  claim: PersistentVolumeClaim | undefined
}

/** Of drivers that ask to be called again and again, for what they write into the volume. Upstream does so with every sync. */
const REPUBLISH_MS = 60_000
/** A volume that may have been made larger is looked at this often. */
const GROWTH_MS = 10_000

/** Most attachers are done within this time; who takes longer is asked for again, later and later. */
const ATTACH_WAIT_MS = 10_000
const ATTACH_LOOK_MS = 200

/** What vol_data.json keeps, in upstream's names. */
interface VolumeData {
  driverName: string
  volumeHandle: string
  /** Empty where nothing is staged. */
  stagingPath: string
}

const DATA_FILE = 'vol_data.json'
const PLUGIN = 'kubernetes.io~csi'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The name of the object that says whether a volume is attached to a node. */
export function attachmentName(volumeHandle: string, driver: string, nodeName: string): string {
  return `csi-${sha256(`${volumeHandle}${driver}${nodeName}`)}`
}

/** What drivers that ask for it are told of the pod. */
export function podInfo(pod: Pod, ephemeral: boolean): Map<string, string> {
  const { name, namespace, uid } = pod.metadata
  return new Map([
    ['csi.storage.k8s.io/pod.name', name],
    ['csi.storage.k8s.io/pod.namespace', namespace],
    ['csi.storage.k8s.io/pod.uid', uid],
    ['csi.storage.k8s.io/serviceAccount.name', pod.spec?.serviceAccountName ?? ''],
    ['csi.storage.k8s.io/ephemeral', String(ephemeral)],
  ])
}

/** A step towards a volume, as upstream's events call it, and what it says when the driver is not there. */
interface Step {
  name: string
  noDriver: string
}

const STEPS: Record<'file' | 'block', Record<'stage' | 'publish', Step>> = {
  file: {
    stage: { name: 'MountVolume.MountDevice failed', noDriver: 'attacher.MountDevice failed to create newCsiDriverClient' },
    publish: { name: 'MountVolume.SetUp failed', noDriver: 'mounter.SetUpAt failed to get CSI client' },
  },
  block: {
    stage: { name: 'MapVolume.SetUpDevice failed', noDriver: 'blockMapper.SetUpDevice failed to get CSI client' },
    publish: { name: 'MapVolume.MapPodDevice failed', noDriver: 'blockMapper.MapPodDevice failed to get CSI client' },
  },
}

interface HowToPublish {
  readOnly: boolean
  /** Files are the pod's group's. */
  ownership: boolean
  /** Missing for volumes that are never staged. */
  stageSecrets: (() => Promise<ReadonlyMap<string, string>>) | undefined
  /** The driver wants to be called again. */
  again: boolean
}

/** By the driver's policy; unless it has one: a file system that one node alone writes to. */
export function ownedByGroup(settings: CSIDriver | undefined, fsType: string, accessModes: readonly string[] = []): boolean {
  const policy = settings?.spec.fsGroupPolicy ?? 'ReadWriteOnceWithFSType'
  if (policy !== 'ReadWriteOnceWithFSType') return policy === 'File'
  return fsType !== '' && accessModes.some((mode) => mode === 'ReadWriteOnce' || mode === 'ReadWriteOncePod')
}

function checkedForEphemeral(driver: string, settings: CSIDriver | undefined): CSIDriver {
  const modes = settings?.spec.volumeLifecycleModes ?? []
  if (settings && modes.includes('Ephemeral')) return settings
  const why = settings ? `only supports ${JSON.stringify(modes).replaceAll(',', ' ')}` : 'no CSIDriver object'
  throw new Error(
    `kubernetes.io/csi: mounter.SetupAt failed to check volume lifecycle mode: volume mode "Ephemeral" not supported by driver ${driver} (${why})`,
  )
}

export class CsiVolumes {
  readonly #options: CsiVolumesOptions
  readonly #tokens: ServiceAccountTokens
  /** By the pods' targets: what this kubelet published and need not publish again. */
  readonly #published = new Map<string, PublishedVolume>()
  /** Staging paths whose volumes are as far as they are to be before pods get them. */
  readonly #staged = new Set<string>()

  constructor(options: CsiVolumesOptions) {
    this.#options = options
    this.#tokens = new ServiceAccountTokens(options)
  }

  /** Names of the volumes that must not be detached from the node yet, in the form of its status. */
  async inUse(): Promise<string[]> {
    const names = (await this.#allData()).map(({ driverName, volumeHandle }) => `kubernetes.io/csi/${driverName}^${volumeHandle}`)
    return [...new Set(names)].toSorted()
  }

  async publishPersistent(
    pod: Pod,
    name: string,
    volume: PersistentVolume,
    options: PublishOptions,
    signal: AbortSignal,
  ): Promise<PublishedVolume> {
    const { spec } = volume
    const source = spec.csi
    if (!source) throw new Error('the volume is not a CSI volume')
    const { block, claim } = options
    const readOnly = options.readOnly || source.readOnly === true
    const target = this.#target(pod, name)
    const { driver, volumeHandle, fsType = '', nodePublishSecretRef, nodeStageSecretRef, nodeExpandSecretRef } = source
    const settings = await this.#settings(driver, signal)
    const kept = this.#published.get(target)
    const call: VolumeCall = {
      volumeId: volumeHandle,
      publishContext: settings?.spec.attachRequired === false ? new Map() : await this.#attachment(driver, volumeHandle, signal),
      ...(await this.#told(pod, settings, source.volumeAttributes, await this.#secrets(nodePublishSecretRef, signal), false, signal)),
      accessMode: spec.accessModes?.[0] ?? 'ReadWriteOnce',
      fsType,
      mountOptions: spec.mountOptions ?? [],
      stagingPath: join(this.#options.rootDir, 'plugins/kubernetes.io/csi', driver, sha256(volumeHandle), block ? 'device' : 'globalmount'),
      block,
    }
    const stageSecrets = (): Promise<ReadonlyMap<string, string>> => this.#secrets(nodeStageSecretRef, signal)
    const ownership = !readOnly && !block && ownedByGroup(settings, fsType, spec.accessModes)
    const again = settings?.spec.requiresRepublish === true
    const published = kept && !again ? kept : await this.#publish(pod, target, driver, call, { readOnly, ownership, stageSecrets, again })
    if (!claim || !wantsToGrow(volume, claim)) return this.#laterThan(published, claim && GROWTH_MS)
    const expand = { ...call, secrets: await this.#secrets(nodeExpandSecretRef, signal) }
    const grown = growVolume(
      this.#options.client,
      this.#options.plugins.driver(driver),
      { volume, claim, call: expand, path: target },
      signal,
    )
    // One that a pod has already goes on as it is.
    await (kept ? grown.catch(() => false) : grown)
    return this.#laterThan(published, GROWTH_MS)
  }

  async publishInline(pod: Pod, { name, csi }: Volume, signal: AbortSignal): Promise<PublishedVolume> {
    const { driver = '', fsType = '', readOnly = false, volumeAttributes, nodePublishSecretRef } = csi ?? {}
    this.#driver(driver, STEPS.file.publish)
    const settings = checkedForEphemeral(driver, await this.#settings(driver, signal))
    const target = this.#target(pod, name)
    const again = settings.spec.requiresRepublish === true
    const kept = this.#published.get(target)
    if (kept && !again) return kept
    const reference = nodePublishSecretRef?.name ? { name: nodePublishSecretRef.name, namespace: pod.metadata.namespace } : undefined
    const call: VolumeCall = {
      volumeId: `csi-${sha256(`${pod.metadata.namespace}${name}${pod.metadata.uid}`)}`,
      publishContext: new Map(),
      ...(await this.#told(pod, settings, volumeAttributes, await this.#secrets(reference, signal), true, signal)),
      accessMode: 'ReadWriteOnce',
      fsType,
      mountOptions: [],
      stagingPath: '',
      block: false,
    }
    const ownership = !readOnly && ownedByGroup(settings, fsType, ['ReadWriteOnce'])
    return this.#publish(pod, target, driver, call, { readOnly, ownership, stageSecrets: undefined, again })
  }

  /** The driver, which a step cannot do without. */
  #driver(name: string, step: Step): ReturnType<CsiPlugins['driver']> {
    try {
      return this.#options.plugins.driver(name)
    } catch (error) {
      throw new VolumeStepError(step.name, `kubernetes.io/csi: ${step.noDriver}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  #target(pod: Pod, name: string): string {
    return join(podDirectories(this.#options.rootDir, pod.metadata.uid).volumes, PLUGIN, name, 'mount')
  }

  #laterThan(published: PublishedVolume, afterMs: number | undefined): PublishedVolume {
    if (afterMs === undefined) return published
    return { ...published, againAtMs: Math.min(published.againAtMs ?? Infinity, this.#options.clock.now() + afterMs) }
  }

  /** What a driver is told of the pod, as far as it asks for it. */
  async #told(
    pod: Pod,
    settings: CSIDriver | undefined,
    attributes: Readonly<Record<string, string>> = {},
    secrets: ReadonlyMap<string, string>,
    ephemeral: boolean,
    signal: AbortSignal,
  ): Promise<Pick<VolumeCall, 'volumeContext' | 'secrets'>> {
    const tokens = await this.#serviceAccountTokens(pod, settings, signal)
    const inSecrets = settings?.spec.serviceAccountTokenInSecrets === true
    const info = settings?.spec.podInfoOnMount ? podInfo(pod, ephemeral) : []
    return {
      volumeContext: new Map([...Object.entries(attributes), ...info, ...(inSecrets ? [] : tokens)]),
      secrets: new Map([...secrets, ...(inSecrets ? tokens : [])]),
    }
  }

  async #serviceAccountTokens(pod: Pod, settings: CSIDriver | undefined, signal: AbortSignal): Promise<[string, string][]> {
    const requests = settings?.spec.tokenRequests ?? []
    if (requests.length === 0) return []
    const statuses: Record<string, { token: string; expirationTimestamp: string }> = {}
    for (const { audience, expirationSeconds } of requests) {
      const projection = { path: '', audience, ...(expirationSeconds !== undefined && { expirationSeconds }) }
      const { value, expires } = await this.#tokens.get(pod, projection, signal)
      statuses[audience] = { token: value, expirationTimestamp: expires }
    }
    return [['csi.storage.k8s.io/serviceAccount.tokens', JSON.stringify(statuses)]]
  }

  async #publish(pod: Pod, target: string, driverName: string, call: VolumeCall, how: HowToPublish): Promise<PublishedVolume> {
    const { onInUse, clock } = this.#options
    const steps = STEPS[call.block ? 'block' : 'file']
    const first = how.stageSecrets && !this.#staged.has(call.stagingPath) ? steps.stage : steps.publish
    const driver = this.#driver(driverName, first)
    const capabilities = await inStep(first.name, () => driver.capabilities())
    const stagingPath = how.stageSecrets && capabilities.has(STAGE_UNSTAGE_VOLUME) ? call.stagingPath : ''
    const data: VolumeData = { driverName, volumeHandle: call.volumeId, stagingPath }
    const gid = pod.spec?.securityContext?.fsGroup
    // A driver that knows how to gives the files to the group as it mounts them.
    const byDriver = gid !== undefined && capabilities.has(VOLUME_MOUNT_GROUP) && !call.block
    const asked = { ...call, capabilities, stagingPath, ...(byDriver && { mountGroup: String(gid) }) }
    await mkdir(dirname(target), { recursive: true, mode: 0o750 })
    await writeFile(join(dirname(target), DATA_FILE), JSON.stringify(data), { mode: 0o600 })
    onInUse?.()
    if (stagingPath && how.stageSecrets) {
      await mkdir(stagingPath, { recursive: true, mode: 0o750 })
      const secrets = await how.stageSecrets()
      await inStep(steps.stage.name, () => driver.stage({ ...asked, secrets }))
    }
    if (how.stageSecrets) this.#staged.add(call.stagingPath)
    // The driver makes the target itself. Both calls may be repeated: it answers that all is done already.
    await inStep(steps.publish.name, () => driver.publish(asked, target, how.readOnly))
    const published = { hostPath: target, toGroup: how.ownership && gid !== undefined && !byDriver }
    this.#published.set(target, { ...published, toGroup: false })
    return how.again ? { ...published, againAtMs: clock.now() + REPUBLISH_MS } : published
  }

  /** What the driver says of a pod's volume; undefined where it does not count, or has brought none by that name. */
  async space(podUid: string, name: string, signal: AbortSignal): Promise<Space | undefined> {
    const directory = join(podDirectories(this.#options.rootDir, podUid).volumes, PLUGIN, name)
    const data = await readData(directory)
    if (!data) return undefined
    const driver = this.#options.plugins.driver(data.driverName)
    if (!(await orAbort(driver.capabilities(), signal)).has(GET_VOLUME_STATS)) return undefined
    const usage = await orAbort(driver.volumeStats(data.volumeHandle, join(directory, 'mount'), data.stagingPath), signal)
    const bytes = usage.find(({ unit }) => unit === 'bytes')
    const inodes = usage.find(({ unit }) => unit === 'inodes')
    return {
      ...(bytes && { capacityBytes: bytes.total, availableBytes: bytes.available, usedBytes: bytes.used }),
      ...(inodes && { inodes: inodes.total, inodesFree: inodes.available, inodesUsed: inodes.used }),
    }
  }

  /** Takes away what drivers brought to a pod. Must be done before its folder is removed. */
  async tearDown(podUid: string): Promise<void> {
    const root = join(podDirectories(this.#options.rootDir, podUid).volumes, PLUGIN)
    for (const name of await readdir(root).catch(() => [])) {
      const directory = join(root, name)
      const data = await readData(directory)
      if (!data) continue
      const driver = this.#options.plugins.driver(data.driverName)
      this.#published.delete(join(directory, 'mount'))
      await driver.unpublish(data.volumeHandle, join(directory, 'mount'))
      await rm(join(directory, DATA_FILE), { force: true })
      if (data.stagingPath && !(await this.#isUsed(data.stagingPath))) {
        this.#staged.delete(data.stagingPath)
        await driver.unstage(data.volumeHandle, data.stagingPath)
        await rmdir(data.stagingPath).catch(() => {})
        await rmdir(dirname(data.stagingPath)).catch(() => {})
      }
      this.#options.onInUse?.()
    }
    this.#tokens.forget(podUid)
  }

  /** By a pod whose volume is still there. */
  async #isUsed(stagingPath: string): Promise<boolean> {
    return (await this.#allData()).some((data) => data.stagingPath === stagingPath)
  }

  async #allData(): Promise<VolumeData[]> {
    const all: VolumeData[] = []
    for (const uid of await readdir(podsDirectory(this.#options.rootDir)).catch(() => [])) {
      const root = join(podDirectories(this.#options.rootDir, uid).volumes, PLUGIN)
      for (const name of await readdir(root).catch(() => [])) {
        const data = await readData(join(root, name))
        if (data) all.push(data)
      }
    }
    return all
  }

  async #settings(driver: string, signal: AbortSignal): Promise<CSIDriver | undefined> {
    return this.#options.client.get(csidrivers, { name: driver, signal }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined
      throw error
    })
  }

  /** What the attacher learnt when it attached the volume; throws when it takes too long to. */
  async #attachment(driver: string, volumeHandle: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const { client, nodeName, clock } = this.#options
    const name = attachmentName(volumeHandle, driver, nodeName)
    const untilMs = clock.now() + ATTACH_WAIT_MS
    for (;;) {
      const found = await client.get(volumeattachments, { name, signal }).catch((error: unknown) => {
        // What is not there is nobody's, and a node may see its own alone.
        if (isNotFound(error) || isForbidden(error)) return undefined
        throw error
      })
      // One that is leaving may be detached at any moment.
      if (found?.status?.attached === true && !found.metadata.deletionTimestamp)
        return new Map(Object.entries(found.status.attachmentMetadata ?? {}))
      if (clock.now() + ATTACH_LOOK_MS > untilMs) throw new NotAttachedError(`volume attachment ${name} is not attached yet`)
      await clock.sleep(ATTACH_LOOK_MS, signal)
    }
  }

  async #secrets(reference: SecretReference | undefined, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const { name, namespace } = reference ?? {}
    if (!name || !namespace) return new Map()
    const secret = await this.#options.secret(namespace, name, signal)
    if (!secret) throw new Error(`secret "${namespace}/${name}" not found`)
    return new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
  }
}

async function readData(directory: string): Promise<VolumeData | undefined> {
  const text = await readFile(join(directory, DATA_FILE), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as VolumeData)
}
