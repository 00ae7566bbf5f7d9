/**
 * Volumes that a storage driver brings: staged once on the node where the driver does so, published to each pod that mounts
 * it. What is needed to take it away again is written beside it, so that a kubelet that starts anew can.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { PersistentVolume, Pod, Secret, SecretReference, Volume } from '../../api/kinds/core/v1.ts'
import { csidrivers, volumeattachments, type CSIDriver } from '../../api/kinds/storage/v1.ts'
import { isNotFound } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import { podDirectories } from '../podDirectories.ts'
import type { VolumeCall } from './driver.ts'
import type { CsiPlugins } from './plugins.ts'

export interface CsiVolumesOptions {
  client: Client
  plugins: CsiPlugins
  rootDir: string
  nodeName: string
  secret(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined>
}

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

export class CsiVolumes {
  readonly #options: CsiVolumesOptions

  constructor(options: CsiVolumesOptions) {
    this.#options = options
  }

  /** Answers where the volume is mounted. */
  async publishPersistent(pod: Pod, name: string, { spec }: PersistentVolume, readOnly: boolean, signal: AbortSignal): Promise<string> {
    const source = spec.csi
    if (!source) throw new Error('the volume is not a CSI volume')
    const { driver, volumeHandle, fsType = '', volumeAttributes = {}, nodeStageSecretRef, nodePublishSecretRef } = source
    const settings = await this.#settings(driver, signal)
    const call: VolumeCall = {
      volumeId: volumeHandle,
      publishContext: settings?.spec.attachRequired === false ? new Map() : await this.#attachment(driver, volumeHandle, signal),
      volumeContext: new Map([...Object.entries(volumeAttributes), ...(settings?.spec.podInfoOnMount ? podInfo(pod, false) : [])]),
      secrets: await this.#secrets(nodePublishSecretRef, signal),
      accessMode: spec.accessModes?.[0] ?? 'ReadWriteOnce',
      fsType,
      mountOptions: spec.mountOptions ?? [],
      stagingPath: join(this.#options.rootDir, 'plugins/kubernetes.io/csi', driver, sha256(volumeHandle), 'globalmount'),
    }
    return this.#publish(pod, name, driver, call, readOnly || source.readOnly === true, () => this.#secrets(nodeStageSecretRef, signal))
  }

  async publishInline(pod: Pod, { name, csi }: Volume, signal: AbortSignal): Promise<string> {
    const { driver = '', fsType = '', readOnly = false, volumeAttributes = {}, nodePublishSecretRef } = csi ?? {}
    const settings = await this.#settings(driver, signal)
    if (!settings?.spec.volumeLifecycleModes?.includes('Ephemeral'))
      throw new Error(`volume mode "Ephemeral" not supported by driver ${driver} (only supports ["Persistent"])`)
    const reference = nodePublishSecretRef?.name ? { name: nodePublishSecretRef.name, namespace: pod.metadata.namespace } : undefined
    const call: VolumeCall = {
      volumeId: `csi-${sha256(`${pod.metadata.namespace}${name}${pod.metadata.uid}`)}`,
      publishContext: new Map(),
      volumeContext: new Map([...Object.entries(volumeAttributes), ...(settings.spec.podInfoOnMount ? podInfo(pod, true) : [])]),
      secrets: await this.#secrets(reference, signal),
      accessMode: 'ReadWriteOnce',
      fsType,
      mountOptions: [],
      stagingPath: '',
    }
    return this.#publish(pod, name, driver, call, readOnly, undefined)
  }

  async #publish(
    pod: Pod,
    name: string,
    driverName: string,
    call: VolumeCall,
    readOnly: boolean,
    stageSecrets: (() => Promise<ReadonlyMap<string, string>>) | undefined,
  ): Promise<string> {
    const driver = this.#options.plugins.driver(driverName)
    const directory = join(podDirectories(this.#options.rootDir, pod.metadata.uid).volumes, PLUGIN, name)
    const target = join(directory, 'mount')
    const stages = stageSecrets !== undefined && (await driver.stages())
    const stagingPath = stages ? call.stagingPath : ''
    const data: VolumeData = { driverName, volumeHandle: call.volumeId, stagingPath }
    await mkdir(directory, { recursive: true, mode: 0o750 })
    await writeFile(join(directory, DATA_FILE), JSON.stringify(data), { mode: 0o600 })
    if (stages) {
      await mkdir(stagingPath, { recursive: true, mode: 0o750 })
      await driver.stage({ ...call, secrets: await stageSecrets() })
    }
    // The driver makes the target itself. Both calls may be repeated: it answers that all is done already.
    await driver.publish({ ...call, stagingPath }, target, readOnly)
    return target
  }

  /** Takes away what drivers brought to a pod. Must be done before its folder is removed. */
  async tearDown(podUid: string): Promise<void> {
    const root = join(podDirectories(this.#options.rootDir, podUid).volumes, PLUGIN)
    for (const name of await readdir(root).catch(() => [])) {
      const directory = join(root, name)
      const data = await readData(directory)
      if (!data) continue
      const driver = this.#options.plugins.driver(data.driverName)
      await driver.unpublish(data.volumeHandle, join(directory, 'mount'))
      await rm(join(directory, DATA_FILE), { force: true })
      if (data.stagingPath && !(await this.#isUsed(data.stagingPath))) {
        await driver.unstage(data.volumeHandle, data.stagingPath)
        await rmdir(data.stagingPath).catch(() => {})
        await rmdir(dirname(data.stagingPath)).catch(() => {})
      }
    }
  }

  /** By a pod whose volume is still there. */
  async #isUsed(stagingPath: string): Promise<boolean> {
    const pods = join(this.#options.rootDir, 'pods')
    for (const uid of await readdir(pods).catch(() => [])) {
      const root = join(podDirectories(this.#options.rootDir, uid).volumes, PLUGIN)
      for (const name of await readdir(root).catch(() => []))
        if ((await readData(join(root, name)))?.stagingPath === stagingPath) return true
    }
    return false
  }

  async #settings(driver: string, signal: AbortSignal): Promise<CSIDriver | undefined> {
    return this.#options.client.get(csidrivers, { name: driver, signal }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined
      throw error
    })
  }

  /** What the attacher learnt when it attached the volume; throws until it has. */
  async #attachment(driver: string, volumeHandle: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const { client, nodeName } = this.#options
    const name = attachmentName(volumeHandle, driver, nodeName)
    const found = await client.get(volumeattachments, { name, signal })
    if (found.status?.attached !== true) throw new Error(`volume attachment ${name} is not attached yet`)
    return new Map(Object.entries(found.status.attachmentMetadata ?? {}))
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
