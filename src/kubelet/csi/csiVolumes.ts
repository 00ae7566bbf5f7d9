/**
 * Volumes that a storage driver brings: staged once on the node where the driver does so, published to each pod that mounts
 * it. What is needed to take it away again is written beside it (`volumeData.ts`).
 */
import { mkdir, rmdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { CSIPersistentVolumeSource, PersistentVolume, Pod, Volume } from '../../api/kinds/core/v1.ts'
import { orAbort } from '../../base/abort.ts'
import type { DriverVolumes, PublishedVolume, PublishOptions } from '../volumes/driverVolumes.ts'
import type { Space } from '../volumes/space.ts'
import { inStep } from '../volumes/volumeErrors.ts'
import { attachmentName, waitForAttachment } from './attachment.ts'
import { GET_VOLUME_STATS, STAGE_UNSTAGE_VOLUME, VOLUME_MOUNT_GROUP, type VolumeCall, type VolumeUsage } from './driver.ts'
import { DriverFacts, type DriverFactsOptions } from './driverFacts.ts'
import { checkedForEphemeral, ownedByGroup, settingsOf } from './driverSettings.ts'
import type { CsiPlugins } from './plugins.ts'
import { inlineCall, persistentCall } from './volumeCall.ts'
import { dataOf, forgetData, keepData, keptOfNode, keptOfPod, targetOf } from './volumeData.ts'
import { growVolume, wantsToGrow } from './volumeGrowth.ts'
import { driverFor, VOLUME_STEPS } from './volumeSteps.ts'

export interface CsiVolumesOptions extends DriverFactsOptions {
  plugins: CsiPlugins
  rootDir: string
  nodeName: string
  /** The names of the volumes that the node uses have changed. */
  onInUse?(): void
}

/** Of drivers that ask to be called again and again, for what they write into the volume. Upstream does so with every sync. */
const REPUBLISH_MS = 60_000
/** A volume that may have been made larger is looked at this often. */
const GROWTH_MS = 10_000

interface HowToPublish {
  readOnly: boolean
  /** Files are the pod's group's. */
  ownership: boolean
  /** Missing for volumes that are never staged. */
  stageSecrets: (() => Promise<ReadonlyMap<string, string>>) | undefined
  /** The driver wants to be called again. */
  again: boolean
}

export class CsiVolumes implements DriverVolumes {
  readonly #options: CsiVolumesOptions
  readonly #facts: DriverFacts
  /** By the pods' targets: what this kubelet published and need not publish again. */
  readonly #published = new Map<string, PublishedVolume>()
  /** Staging paths whose volumes are as far as they are to be before pods get them. */
  readonly #staged = new Set<string>()

  constructor(options: CsiVolumesOptions) {
    this.#options = options
    this.#facts = new DriverFacts(options)
  }

  /** Names of the volumes that must not be detached from the node yet, in the form of its status. */
  async inUse(): Promise<string[]> {
    const kept = await keptOfNode(this.#options.rootDir)
    return [...new Set(kept.map(({ driverName, volumeHandle }) => `kubernetes.io/csi/${driverName}^${volumeHandle}`))].toSorted()
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
    const { client, rootDir } = this.#options
    const readOnly = options.readOnly || source.readOnly === true
    const target = targetOf(rootDir, pod.metadata.uid, name)
    const settings = await settingsOf(client, source.driver, signal)
    const kept = this.#published.get(target)
    const publishContext = settings?.spec.attachRequired === false ? new Map() : await this.#attachment(source, signal)
    const secrets = await this.#facts.secrets(source.nodePublishSecretRef, signal)
    const telling = { settings, attributes: source.volumeAttributes, secrets, ephemeral: false }
    const call = persistentCall(rootDir, volume, source, block, { publishContext, ...(await this.#facts.of(pod, telling, signal)) })
    const how: HowToPublish = {
      readOnly,
      ownership: !readOnly && !block && ownedByGroup(settings, source.fsType, spec.accessModes),
      stageSecrets: () => this.#facts.secrets(source.nodeStageSecretRef, signal),
      again: settings?.spec.requiresRepublish === true,
    }
    const published = kept && !how.again ? kept : await this.#publish(pod, target, source.driver, call, how)
    if (!claim) return published
    if (wantsToGrow(volume, claim)) {
      const expand = { ...call, secrets: await this.#facts.secrets(source.nodeExpandSecretRef, signal) }
      const driver = this.#options.plugins.driver(source.driver)
      const grown = growVolume(client, driver, { volume, claim, call: expand, path: target }, signal)
      // One that a pod has already goes on as it is.
      await (kept ? grown.catch(() => false) : grown)
    }
    return this.#laterThan(published, GROWTH_MS)
  }

  async publishInline(pod: Pod, volume: Volume, signal: AbortSignal): Promise<PublishedVolume> {
    const { client, plugins, rootDir } = this.#options
    const { driver = '', fsType, readOnly = false, volumeAttributes: attributes, nodePublishSecretRef } = volume.csi ?? {}
    driverFor(plugins, driver, VOLUME_STEPS.file.publish)
    const settings = checkedForEphemeral(driver, await settingsOf(client, driver, signal))
    const target = targetOf(rootDir, pod.metadata.uid, volume.name)
    const again = settings.spec.requiresRepublish === true
    const kept = this.#published.get(target)
    if (kept && !again) return kept
    const secrets = await this.#facts.secrets({ ...nodePublishSecretRef, namespace: pod.metadata.namespace }, signal)
    const call = inlineCall(pod, volume, await this.#facts.of(pod, { settings, attributes, secrets, ephemeral: true }, signal))
    const ownership = !readOnly && ownedByGroup(settings, fsType, ['ReadWriteOnce'])
    return this.#publish(pod, target, driver, call, { readOnly, ownership, stageSecrets: undefined, again })
  }

  async space(podUid: string, name: string, signal: AbortSignal): Promise<Space | undefined> {
    const target = targetOf(this.#options.rootDir, podUid, name)
    const data = await dataOf(target)
    if (!data) return undefined
    const driver = this.#options.plugins.driver(data.driverName)
    if (!(await orAbort(driver.capabilities(), signal)).has(GET_VOLUME_STATS)) return undefined
    return spaceOf(await orAbort(driver.volumeStats(data.volumeHandle, target, data.stagingPath), signal))
  }

  async tearDown(podUid: string): Promise<void> {
    const { plugins, rootDir, onInUse } = this.#options
    for (const { target, data } of await keptOfPod(rootDir, podUid)) {
      const driver = plugins.driver(data.driverName)
      this.#published.delete(target)
      await driver.unpublish(data.volumeHandle, target)
      await forgetData(target)
      if (data.stagingPath && !(await this.#isUsed(data.stagingPath))) {
        this.#staged.delete(data.stagingPath)
        await driver.unstage(data.volumeHandle, data.stagingPath)
        await rmdir(data.stagingPath).catch(() => {})
        await rmdir(dirname(data.stagingPath)).catch(() => {})
      }
      onInUse?.()
    }
    this.#facts.forget(podUid)
  }

  async #publish(pod: Pod, target: string, driverName: string, call: VolumeCall, how: HowToPublish): Promise<PublishedVolume> {
    const { plugins, onInUse, clock } = this.#options
    const steps = VOLUME_STEPS[call.block ? 'block' : 'file']
    const first = how.stageSecrets && !this.#staged.has(call.stagingPath) ? steps.stage : steps.publish
    const driver = driverFor(plugins, driverName, first)
    const capabilities = await inStep(first.name, () => driver.capabilities())
    const stagingPath = how.stageSecrets && capabilities.has(STAGE_UNSTAGE_VOLUME) ? call.stagingPath : ''
    const gid = pod.spec?.securityContext?.fsGroup
    // A driver that knows how to gives the files to the group as it mounts them.
    const byDriver = gid !== undefined && capabilities.has(VOLUME_MOUNT_GROUP) && !call.block
    const asked = { ...call, capabilities, stagingPath, ...(byDriver && { mountGroup: String(gid) }) }
    await keepData(target, { driverName, volumeHandle: call.volumeId, stagingPath })
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

  #attachment({ driver, volumeHandle }: CSIPersistentVolumeSource, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    return waitForAttachment(this.#options, attachmentName(volumeHandle, driver, this.#options.nodeName), signal)
  }

  #laterThan(published: PublishedVolume, afterMs: number): PublishedVolume {
    return { ...published, againAtMs: Math.min(published.againAtMs ?? Infinity, this.#options.clock.now() + afterMs) }
  }

  /** By a pod whose volume is still there. */
  async #isUsed(stagingPath: string): Promise<boolean> {
    return (await keptOfNode(this.#options.rootDir)).some((data) => data.stagingPath === stagingPath)
  }
}

function spaceOf(usage: readonly VolumeUsage[]): Space {
  const bytes = usage.find(({ unit }) => unit === 'bytes')
  const inodes = usage.find(({ unit }) => unit === 'inodes')
  return {
    ...(bytes && { capacityBytes: bytes.total, availableBytes: bytes.available, usedBytes: bytes.used }),
    ...(inodes && { inodes: inodes.total, inodesFree: inodes.available, inodesUsed: inodes.used }),
  }
}
