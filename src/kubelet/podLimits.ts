/** Keeps the pods' own cgroups at what the pods were given: made before the first container, changed when a pod is resized in place. */
import type { Pod } from '../api/kinds/core/v1.ts'
import { podCgroupSettings, widest, type PodCgroupSettings } from './containers/podResources.ts'
import type { NodeLimits } from './containers/resources.ts'

/** Writes the settings into the pod's group, which it makes where there is none. */
export type LimitPod = (pod: Pod, settings: PodCgroupSettings) => Promise<void>

export class PodLimits {
  readonly #limit: LimitPod
  readonly #node: NodeLimits
  readonly #applied = new Map<string, PodCgroupSettings>()

  constructor(limit: LimitPod, node: NodeLimits) {
    this.#limit = limit
    this.#node = node
  }

  /** Whether the group is not yet, or not known to be, what the pod was given. */
  differ(pod: Pod): boolean {
    return JSON.stringify(this.#applied.get(pod.metadata.uid)) !== JSON.stringify(this.#wanted(pod))
  }

  /** Before the containers are changed. */
  async widen(pod: Pod): Promise<void> {
    const applied = this.#applied.get(pod.metadata.uid)
    if (applied) await this.#limit(pod, widest(applied, this.#wanted(pod)))
  }

  /** After that, or before there are any. */
  async settle(pod: Pod): Promise<void> {
    const wanted = this.#wanted(pod)
    await this.#limit(pod, wanted)
    this.#applied.set(pod.metadata.uid, wanted)
  }

  forget(podUid: string): void {
    this.#applied.delete(podUid)
  }

  #wanted(pod: Pod): PodCgroupSettings {
    return podCgroupSettings(pod, this.#node)
  }
}
