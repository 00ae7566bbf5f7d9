/** What the kubelet tells of its volumes, in upstream's names: how many there are by plugin, and how long they take to come and go. */
import type { Volume } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import { fileKindOf, pluginOf } from './fileVolumes.ts'
import type { PreparedVolume } from './preparedVolume.ts'

const INLINE = { hostPath: 'host-path', emptyDir: 'empty-dir', nfs: 'nfs', image: 'image', csi: 'csi' } as const
const STATES = ['desired_state_of_world', 'actual_state_of_world'] as const

/** A claim's volume is known by where it was brought. Pure. */
export function pluginNameOf(volume: Volume, prepared: PreparedVolume | undefined): string {
  const files = fileKindOf(volume)
  const inline = (Object.keys(INLINE) as (keyof typeof INLINE)[]).find((kind) => volume[kind])
  const brought = /kubernetes\.io~([^/]+)/.exec(prepared?.hostPath ?? '')?.[1]
  const name = files ? pluginOf(files) : inline ? INLINE[inline] : (brought ?? (prepared?.device ? 'local-volume' : 'host-path'))
  return `kubernetes.io/${name}`
}

interface Counted {
  plugin: string
  isPrepared: boolean
}

export class VolumeMeasures {
  readonly #measures: KubeletMeasures | undefined
  readonly #clock: Clock
  /** By pod and volume. */
  readonly #counted = new Map<string, Map<string, Counted>>()
  readonly #plugins = new Set<string>()

  constructor(measures: KubeletMeasures | undefined, clock: Clock) {
    this.#measures = measures
    this.#clock = clock
  }

  /** A volume was to be brought since then; without `prepared` it could not be. */
  mounted(podUid: string, volume: Volume, prepared: PreparedVolume | undefined, sinceMs: number): void {
    const plugin = pluginNameOf(volume, prepared)
    const ofPod = this.#counted.get(podUid) ?? new Map<string, Counted>()
    this.#counted.set(podUid, ofPod)
    const known = ofPod.get(volume.name)
    ofPod.set(volume.name, { plugin, isPrepared: prepared !== undefined || (known?.isPrepared ?? false) })
    this.#plugins.add(plugin)
    this.#observe('volume_mount', plugin, prepared !== undefined, sinceMs)
    this.#tell()
  }

  /** All of a pod's volumes were taken away since then. */
  unmounted(podUid: string, sinceMs: number): void {
    const ofPod = this.#counted.get(podUid)
    if (!this.#counted.delete(podUid)) return
    for (const { plugin } of ofPod?.values() ?? []) this.#observe('volume_unmount', plugin, true, sinceMs)
    this.#tell()
  }

  #observe(operation_name: string, volume_plugin: string, isDone: boolean, sinceMs: number): void {
    const labels = { migrated: 'false', operation_name, status: isDone ? 'success' : 'fail-unknown', volume_plugin }
    this.#measures?.observe('storage_operation_duration_seconds', Math.max(0, this.#clock.now() - sinceMs) / 1000, labels)
  }

  #tell(): void {
    const all = [...this.#counted.values()].flatMap((ofPod) => [...ofPod.values()])
    for (const plugin_name of this.#plugins) {
      const own = all.filter(({ plugin }) => plugin === plugin_name)
      const counts = [own.length, own.filter(({ isPrepared }) => isPrepared).length]
      for (const [i, state] of STATES.entries()) this.#measures?.set('volume_manager_total_volumes', counts[i] ?? 0, { plugin_name, state })
    }
  }
}
