/**
 * Gives the disk back that images take which nothing uses: begins when the disk is fuller than the high threshold and goes
 * on until it is below the low one, least recently used first; and, where a maximum age is set, what nothing has used for longer.
 * It takes only what the kubelet itself pulled: what a person loaded by hand, or what came with the node, could not be had again.
 * Upstream's image garbage collection.
 */
import { statfs } from 'node:fs/promises'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { KubeletConfiguration } from '../configuration.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { PulledImages } from './pulledImages.ts'

const INTERVAL_MS = 5 * 60_000

export interface ImageCollectorOptions {
  runtime: Pick<Runtime, 'images' | 'list' | 'removeImage'>
  configuration: Pick<
    KubeletConfiguration,
    'imageGcHighThresholdPercent' | 'imageGcLowThresholdPercent' | 'imageMinimumGcAgeMs' | 'imageMaximumGcAgeMs'
  >
  measures: Pick<KubeletMeasures, 'count'>
  clock: Clock
  log: Logger
  pulledImages: Pick<PulledImages, 'canBePulled' | 'forget' | 'forgetAllBut'>
  /** The file system that images are on. */
  disk?: () => Promise<Disk>
  rootDir: string
  /** A warning about the node. */
  onNodeEvent(reason: string, message: string): void
  /** Images that something other than a container uses. */
  alsoUsed?: () => ReadonlySet<string>
}

interface Disk {
  availableBytes: number
  capacityBytes: number
}

export interface ImageUse {
  id: string
  sizeBytes: number
  lastUsedMs: number
  /** When it was first seen to be there. */
  detectedMs: number
}

/** In the order in which they go; those too new are left out: a pod may be about to use what it just pulled. Pure. */
export function removalOrder(candidates: readonly ImageUse[], nowMs: number, minAgeMs: number): ImageUse[] {
  const old = candidates.filter(({ detectedMs, lastUsedMs }) => nowMs - detectedMs >= minAgeMs && lastUsedMs < nowMs)
  return old.toSorted((a, b) => a.lastUsedMs - b.lastUsedMs || a.detectedMs - b.detectedMs)
}

/** How much of the disk is used, in whole percents as upstream counts, and how much is to come free for that; undefined while there is room. */
export function toFree(
  { availableBytes, capacityBytes }: Disk,
  {
    imageGcHighThresholdPercent: high,
    imageGcLowThresholdPercent: low,
  }: Pick<KubeletConfiguration, 'imageGcHighThresholdPercent' | 'imageGcLowThresholdPercent'>,
): { usedPercent: number; bytes: number } | undefined {
  const available = Math.min(availableBytes, capacityBytes)
  const usedPercent = 100 - Math.floor((available * 100) / capacityBytes)
  return usedPercent < high ? undefined : { usedPercent, bytes: Math.floor((capacityBytes * (100 - low)) / 100) - available }
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

export function sizeText(bytes: number): string {
  let [size, unit] = [bytes, 0]
  for (; size >= 1024 && unit < UNITS.length - 1; unit++) size /= 1024
  return `${unit === 0 ? size : size.toFixed(1)} ${UNITS[unit]}`
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export class ImageCollector {
  readonly #options: ImageCollectorOptions
  readonly #seen = new Map<string, { detectedMs: number; lastUsedMs: number }>()
  #hasFailed = false

  constructor(options: ImageCollectorOptions) {
    this.#options = options
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, configuration } = this.#options
    if (configuration.imageGcHighThresholdPercent === 100 && configuration.imageMaximumGcAgeMs === 0) return
    // What is there now is known from now on.
    await this.#unused().catch((error: unknown) => log.warn('images could not be listed', { error: text(error) }))
    while (!signal.aborted) {
      await clock.sleep(INTERVAL_MS, signal).catch(() => {})
      if (!signal.aborted) await this.pass()
    }
  }

  /** Collects; the node is told of a failure that is not the first. */
  async pass(): Promise<void> {
    try {
      await this.collect()
      this.#hasFailed = false
    } catch (error) {
      this.#options.log.warn('images could not be collected', { error: text(error) })
      if (this.#hasFailed) this.#options.onNodeEvent('ImageGCFailed', text(error))
      this.#hasFailed = true
    }
  }

  /** Throws where not enough could be given back. */
  async collect(): Promise<void> {
    const { configuration, onNodeEvent, clock } = this.#options
    const candidates = await this.#removeOld(await this.#unused())
    const disk = await this.#disk()
    if (disk.capacityBytes === 0) {
      onNodeEvent('InvalidDiskCapacity', 'invalid capacity 0 on image filesystem')
      throw new Error('invalid capacity 0 on image filesystem')
    }
    const wanted = toFree(disk, configuration)
    if (!wanted) return
    const inOrder = removalOrder(candidates, clock.now(), configuration.imageMinimumGcAgeMs)
    const freedBytes = await this.#remove(inOrder, { bytes: wanted.bytes })
    if (freedBytes >= wanted.bytes) return
    const message =
      `Insufficient free disk space on the node's image filesystem (${wanted.usedPercent}% of ${sizeText(disk.capacityBytes)} used). ` +
      `Failed to free sufficient space by deleting unused images (freed ${freedBytes} bytes). ` +
      'Investigate disk usage, as it could be used by active images, logs, volumes, or other data.'
    onNodeEvent('FreeDiskSpaceFailed', message)
    throw new Error(message)
  }

  /** All that can be had again, whatever the thresholds: the node runs out of disk. */
  async removeUnused(): Promise<void> {
    await this.#remove(removalOrder(await this.#unused(), this.#options.clock.now(), 0))
  }

  /** Those that nothing has used for longer than may be; answers the others. */
  async #removeOld(candidates: readonly ImageUse[]): Promise<readonly ImageUse[]> {
    const { clock, configuration } = this.#options
    const maxAgeMs = configuration.imageMaximumGcAgeMs
    if (maxAgeMs === 0) return candidates
    // Nobody knows what was used before this process saw it.
    const isOld = ({ lastUsedMs, detectedMs }: ImageUse): boolean => clock.now() - Math.max(lastUsedMs, detectedMs) > maxAgeMs
    await this.#remove(candidates.filter(isOld), { reason: 'age' })
    return candidates.filter((image) => !isOld(image))
  }

  /** As many as it takes; answers how much came free. One that cannot be removed keeps no other, and is told at the end. */
  async #remove(
    images: readonly ImageUse[],
    { bytes = Infinity, reason = 'space' }: { bytes?: number; reason?: 'space' | 'age' } = {},
  ): Promise<number> {
    const { runtime, log, measures, pulledImages } = this.#options
    const failures: string[] = []
    let freedBytes = 0
    for (const { id, sizeBytes } of images) {
      if (freedBytes >= bytes) break
      log.info('removing an unused image to free its disk space', { image: id, sizeBytes })
      try {
        await runtime.removeImage(id)
      } catch (error) {
        failures.push(text(error))
        continue
      }
      measures.count('kubelet_image_garbage_collected_total', { reason })
      freedBytes += sizeBytes
      this.#seen.delete(id)
      await pulledImages.forget(id)
    }
    if (failures.length === 0) return freedBytes
    const wanted = reason === 'age' ? 'images that are too old' : Number.isFinite(bytes) ? `${bytes} bytes` : 'all unused images'
    const errors = failures.length === 1 ? failures[0] : `[${failures.join(', ')}]`
    throw new Error(`wanted to free ${wanted}, but freed ${freedBytes} bytes space with errors in image deletion: ${errors}`)
  }

  async #disk(): Promise<Disk> {
    const { disk, rootDir } = this.#options
    if (disk) return disk()
    const { bavail, blocks, bsize } = await statfs(rootDir)
    return { availableBytes: bavail * bsize, capacityBytes: blocks * bsize }
  }

  /** Pulled ones that no container has. */
  async #unused(): Promise<ImageUse[]> {
    const { runtime, clock, pulledImages } = this.#options
    const nowMs = clock.now()
    const [images, { containers }] = await Promise.all([runtime.images(), runtime.list()])
    const used = new Set([...containers.map(({ imageId }) => imageId), ...(this.#options.alsoUsed?.() ?? [])])
    const there = new Set(images.map(({ id }) => id))
    for (const id of this.#seen.keys()) if (!there.has(id)) this.#seen.delete(id)
    await pulledImages.forgetAllBut(there, nowMs)
    const unused: ImageUse[] = []
    for (const { id, sizeBytes } of images) {
      const seen = this.#seen.get(id) ?? { detectedMs: nowMs, lastUsedMs: 0 }
      this.#seen.set(id, seen)
      if (used.has(id)) seen.lastUsedMs = nowMs
      else if (await pulledImages.canBePulled(id)) unused.push({ id, sizeBytes, ...seen })
    }
    return unused
  }
}
