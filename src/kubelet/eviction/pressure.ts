/**
 * Whether the node is short of something, and for how long it is to say so. The thresholds are upstream's where they suit a
 * node that is one of a laptop's containers; its disk is the laptop's, mostly full, and a share of it is no reason to end
 * pods (kind and minikube set that threshold to nothing): only the last bytes are.
 */
import type { KubeletConfiguration, SignalName, ThresholdValue } from '../configuration.ts'
import type { Amount, Signals } from './signals.ts'

export type Condition = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure'

export interface Threshold {
  signal: SignalName
  condition: Condition
  /** The resource that pods are ended for, in upstream's name. */
  resource: 'memory' | 'ephemeral-storage' | 'inodes' | 'pids'
  amountOf(signals: Signals): Amount
  /** Below which there is pressure. */
  limitOf(capacity: number): number
  /** How long there is pressure before pods are ended for it; undefined: they are at once. */
  graceMs?: number
}

const MIB = 2 ** 20
const LARGEST_MEMORY_BYTES = 100 * MIB
const LARGEST_DISK_BYTES = 512 * MIB
const INODES_SHARE = 0.01
const LARGEST_PIDS = 256

/** In the order in which they are seen to: memory first, since it runs out fastest. */
export const THRESHOLDS: readonly Threshold[] = [
  {
    signal: 'memory.available',
    condition: 'MemoryPressure',
    resource: 'memory',
    amountOf: ({ memory }) => memory,
    // A node that has hardly more than the threshold would always be under pressure.
    limitOf: (capacity) => Math.min(LARGEST_MEMORY_BYTES, capacity / 10),
  },
  {
    signal: 'nodefs.available',
    condition: 'DiskPressure',
    resource: 'ephemeral-storage',
    amountOf: ({ disk }) => disk,
    limitOf: (capacity) => Math.min(LARGEST_DISK_BYTES, capacity / 10),
  },
  {
    signal: 'nodefs.inodesFree',
    condition: 'DiskPressure',
    resource: 'inodes',
    amountOf: ({ inodes }) => inodes,
    limitOf: (capacity) => capacity * INODES_SHARE,
  },
  {
    signal: 'pid.available',
    condition: 'PIDPressure',
    resource: 'pids',
    amountOf: ({ pids }) => pids,
    limitOf: (capacity) => Math.min(LARGEST_PIDS, capacity / 10),
  },
]

/** Images are on the node's only disk. What is said of that of containers is upstream's to ignore there, too. */
const IMAGE_DISK: Readonly<Partial<Record<SignalName, SignalName>>> = {
  'nodefs.available': 'imagefs.available',
  'nodefs.inodesFree': 'imagefs.inodesFree',
}

const SETTABLE: readonly Threshold[] = THRESHOLDS.flatMap((threshold) => {
  const ofImages = IMAGE_DISK[threshold.signal]
  return ofImages ? [threshold, { ...threshold, signal: ofImages }] : [threshold]
})

/** A share of nothing, or of all, is how people say that there is to be no threshold. */
const isNone = (value: ThresholdValue | undefined): value is undefined =>
  value === undefined || ('share' in value && (value.share === 0 || value.share === 1))

/** Those that were set, and no others; the node's own where none were. */
export function thresholdsOf(evictionHard: KubeletConfiguration['evictionHard']): readonly Threshold[] {
  if (!evictionHard) return THRESHOLDS
  return SETTABLE.flatMap((threshold) => {
    const value = evictionHard[threshold.signal]
    if (isNone(value)) return []
    return [{ ...threshold, limitOf: (capacity) => amountIn(value, capacity) }]
  })
}

const amountIn = (value: ThresholdValue, capacity: number): number => ('share' in value ? capacity * value.share : value.amount)

/** The soft ones come after the hard ones of their signal. */
function allThresholds({ evictionHard, evictionSoft, evictionSoftGraceMs }: EvictionSettings): readonly Threshold[] {
  const hard = thresholdsOf(evictionHard)
  return SETTABLE.flatMap((threshold) => {
    const { signal } = threshold
    const value = evictionSoft[signal]
    const soft = !isNone(value) && {
      ...threshold,
      limitOf: (capacity: number) => amountIn(value, capacity),
      graceMs: evictionSoftGraceMs[signal] ?? 0,
    }
    return [...hard.filter((of) => of.signal === signal), ...(soft ? [soft] : [])]
  })
}

export interface MetThreshold {
  threshold: Threshold
  available: number
  limit: number
}

type EvictionSettings = Pick<
  KubeletConfiguration,
  'evictionHard' | 'evictionSoft' | 'evictionSoftGraceMs' | 'evictionMinimumReclaim' | 'evictionPressureTransitionMs'
>

export class Pressures {
  readonly #sinceMs = new Map<Condition, number>()
  readonly #thresholds: readonly Threshold[]
  readonly #transitionMs: number
  readonly #reclaim: EvictionSettings['evictionMinimumReclaim']
  /** Since when each threshold has been met. */
  readonly #metSinceMs = new Map<Threshold, number>()
  /** Those that pods are ended for: until there is more than just enough. */
  #acted: ReadonlySet<Threshold> = new Set()

  /** A node on the edge does not change its mind all the time: that is what the transition period is for. */
  constructor(settings: EvictionSettings) {
    this.#thresholds = allThresholds(settings)
    this.#transitionMs = settings.evictionPressureTransitionMs
    this.#reclaim = settings.evictionMinimumReclaim
  }

  /** Whether something is short, or nearly: this many times its threshold. */
  isNear(signals: Signals, factor: number): boolean {
    return this.#thresholds.some(({ amountOf, limitOf }) => amountOf(signals).available < limitOf(amountOf(signals).capacity) * factor)
  }

  /** The shortages that pods are to be ended for. */
  observe(signals: Signals, nowMs: number): MetThreshold[] {
    const met = this.#thresholds.flatMap((threshold) => {
      const { available, capacity } = threshold.amountOf(signals)
      const limit = threshold.limitOf(capacity)
      const more = this.#acted.has(threshold) ? this.#reclaim[threshold.signal] : undefined
      return available < limit + (more ? amountIn(more, capacity) : 0) ? [{ threshold, available, limit }] : []
    })
    const thresholds = new Set(met.map(({ threshold }) => threshold))
    for (const threshold of this.#metSinceMs.keys()) if (!thresholds.has(threshold)) this.#metSinceMs.delete(threshold)
    for (const threshold of thresholds) {
      this.#sinceMs.set(threshold.condition, nowMs)
      if (!this.#metSinceMs.has(threshold)) this.#metSinceMs.set(threshold, nowMs)
    }
    for (const [condition, sinceMs] of this.#sinceMs) if (nowMs - sinceMs >= this.#transitionMs) this.#sinceMs.delete(condition)
    const due = met.filter(({ threshold }) => nowMs - (this.#metSinceMs.get(threshold) ?? nowMs) >= (threshold.graceMs ?? 0))
    this.#acted = new Set(due.map(({ threshold }) => threshold))
    return due
  }

  /** What the node says of itself: pressure, and for a while after. */
  get conditions(): Condition[] {
    return (['MemoryPressure', 'DiskPressure', 'PIDPressure'] as const).filter((condition) => this.#sinceMs.has(condition))
  }
}
