/**
 * Gives the disk back that images take which nothing uses: begins when the disk is fuller than the high threshold and goes
 * on until it is below the low one, least recently used first. It takes only what the kubelet itself pulled: what a person
 * loaded by hand, or what came with the node, could not be had again. Upstream's image garbage collection.
 */
import { statfs } from 'node:fs/promises'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { KubeletConfiguration } from '../configuration.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { PulledImages } from './pulledImages.ts'

const INTERVAL_MS = 5 * 60_000

export interface ImageCollectorOptions {
  runtime: Pick<Runtime, 'images' | 'list' | 'removeImage'>
  configuration: Pick<KubeletConfiguration, 'imageGcHighThresholdPercent' | 'imageGcLowThresholdPercent' | 'imageMinimumGcAgeMs'>
  clock: Clock
  log: Logger
  pulledImages: Pick<PulledImages, 'canBePulled' | 'forget' | 'forgetAllBut'>
  /** The file system that images are on. */
  disk?: () => Promise<{ availableBytes: number; capacityBytes: number }>
  rootDir: string
  /** Images that something other than a container uses. */
  alsoUsed?: () => ReadonlySet<string>
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

export class ImageCollector {
  readonly #options: ImageCollectorOptions
  readonly #seen = new Map<string, { detectedMs: number; lastUsedMs: number }>()

  constructor(options: ImageCollectorOptions) {
    this.#options = options
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    while (!signal.aborted) {
      await clock.sleep(INTERVAL_MS, signal).catch(() => {})
      if (signal.aborted) return
      await this.collect().catch((error: unknown) => log.warn('images could not be collected', { error: String(error) }))
    }
  }

  async collect(): Promise<void> {
    const { imageGcHighThresholdPercent: high, imageGcLowThresholdPercent: low, imageMinimumGcAgeMs } = this.#options.configuration
    const { availableBytes, capacityBytes } = await this.#disk()
    const candidates = await this.#unused()
    const usedBytes = capacityBytes - availableBytes
    if (capacityBytes === 0 || (usedBytes / capacityBytes) * 100 < high) return
    await this.#remove(candidates, usedBytes - (capacityBytes * low) / 100, imageMinimumGcAgeMs)
  }

  /** All that can be had again, whatever the thresholds: the node runs out of disk. */
  async removeUnused(): Promise<void> {
    await this.#remove(await this.#unused(), Infinity, 0)
  }

  async #remove(candidates: readonly ImageUse[], toFreeBytes: number, minAgeMs: number): Promise<void> {
    const { runtime, clock, log, pulledImages } = this.#options
    let freedBytes = 0
    for (const { id, sizeBytes } of removalOrder(candidates, clock.now(), minAgeMs)) {
      if (freedBytes >= toFreeBytes) break
      log.info('removing an unused image to free its disk space', { image: id, sizeBytes })
      try {
        await runtime.removeImage(id)
      } catch (error) {
        // The others may still go.
        log.warn('an unused image could not be removed', { image: id, error: String(error) })
        continue
      }
      freedBytes += sizeBytes
      this.#seen.delete(id)
      await pulledImages.forget(id)
    }
  }

  async #disk(): Promise<{ availableBytes: number; capacityBytes: number }> {
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
