/** Places that were promised to pods: preemption makes room there, and others must not take it first. */
import type { PodInfo } from './podInfo.ts'

export class Nominator {
  readonly #byUid = new Map<string, { nodeName: string; info: PodInfo }>()
  readonly #byNode = new Map<string, Map<string, PodInfo>>()

  get isEmpty(): boolean {
    return this.#byUid.size === 0
  }

  set(info: PodInfo, nodeName: string): void {
    const { uid } = info.pod.metadata
    this.delete(uid)
    if (!nodeName) return
    this.#byUid.set(uid, { nodeName, info })
    let pods = this.#byNode.get(nodeName)
    if (!pods) this.#byNode.set(nodeName, (pods = new Map()))
    pods.set(uid, info)
  }

  delete(uid: string): void {
    const known = this.#byUid.get(uid)
    if (!known) return
    this.#byUid.delete(uid)
    const pods = this.#byNode.get(known.nodeName)
    pods?.delete(uid)
    if (pods?.size === 0) this.#byNode.delete(known.nodeName)
  }

  nodeOf(uid: string): string | undefined {
    return this.#byUid.get(uid)?.nodeName
  }

  on(nodeName: string): Iterable<PodInfo> {
    return this.#byNode.get(nodeName)?.values() ?? []
  }

  hasAnyOn(nodeName: string): boolean {
    return this.#byNode.has(nodeName)
  }
}
