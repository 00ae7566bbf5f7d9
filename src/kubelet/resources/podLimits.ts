/** Keeps the pods' own cgroups at what the pods were given: made before the first container, changed when a pod is resized in place. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import { podCgroupSettings, widest, type PodCgroupSettings } from './podResources.ts'
import type { NodeLimits } from './resources.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import { removePodCgroup } from './podCgroup.ts'

/** Writes the settings into the pod's group, which it makes where there is none. */
export type LimitPod = (pod: Pod, settings: PodCgroupSettings) => Promise<void>

export class PodLimits {
  readonly #limit: LimitPod
  readonly #node: NodeLimits
  readonly #measured: { measures: KubeletMeasures; clock: Clock }
  readonly #applied = new Map<string, PodCgroupSettings>()

  constructor(limit: LimitPod, node: NodeLimits, measured: { measures: KubeletMeasures; clock: Clock }) {
    this.#measured = measured
    this.#limit = limit
    this.#node = node
  }

  /** Whether the group is not yet, or not known to be, what the pod was given. */
  differ(pod: Pod): boolean {
    return JSON.stringify(this.#applied.get(pod.metadata.uid)) !== JSON.stringify(this.#wanted(pod))
  }

  /** What the pod as a whole may have; undefined where that is not limited. */
  memoryLimitBytes(pod: Pod): number | undefined {
    return this.#wanted(pod).memoryLimitBytes
  }

  /** Before the containers are changed. */
  async widen(pod: Pod): Promise<void> {
    const applied = this.#applied.get(pod.metadata.uid)
    if (applied) await this.#timed('update', this.#limit(pod, widest(applied, this.#wanted(pod))))
  }

  /** After that, or before there are any. */
  async settle(pod: Pod): Promise<void> {
    const wanted = this.#wanted(pod)
    await this.#timed(this.#applied.has(pod.metadata.uid) ? 'update' : 'create', this.#limit(pod, wanted))
    this.#applied.set(pod.metadata.uid, wanted)
  }

  async remove(podUid: string): Promise<void> {
    this.#applied.delete(podUid)
    await this.#timed('destroy', removePodCgroup(podUid))
  }

  async #timed(operation_type: 'create' | 'update' | 'destroy', work: Promise<void>): Promise<void> {
    const { measures, clock } = this.#measured
    const startedMs = clock.now()
    await work
    measures.observeSince('kubelet_cgroup_manager_duration_seconds', startedMs, { operation_type })
  }

  #wanted(pod: Pod): PodCgroupSettings {
    return podCgroupSettings(pod, this.#node)
  }
}
