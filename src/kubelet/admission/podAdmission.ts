/** Which pods the node has taken: each is judged once, when it is seen for the first time, beside those taken before. */
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { whyRejected } from './admission.ts'
import type { Rejection } from '../pods/rejection.ts'
import type { DeviceManager } from '../devices/deviceManager.ts'
import type { Condition } from '../eviction/pressure.ts'
import { isTerminalPhase } from '../pods/podSpec.ts'

export interface PodAdmissionOptions {
  allocatable: Readonly<Record<string, string>>
  allowedUnsafeSysctls: readonly string[]
  hasAppArmor: boolean
  /** What the node runs short of. */
  pressures(): readonly Condition[]
  /** All pods that are bound to the node. */
  podsOfNode(): readonly Pod[]
  /** The node as it was seen last. */
  knownNode(): Node | undefined
  /** The node as the API has it now. */
  currentNode(signal: AbortSignal): Promise<Node>
  devices: Pick<DeviceManager, 'allocate'>
}

export class PodAdmission {
  readonly #options: PodAdmissionOptions
  readonly #taken = new Set<string>()
  readonly #over = new Set<string>()

  constructor(options: PodAdmissionOptions) {
    this.#options = options
  }

  /** Why the pod may not run here; undefined once it is taken. `begun`: the runtime knows it already. */
  async admit(pod: Pod, begun: boolean, signal: AbortSignal): Promise<Rejection | undefined> {
    if (this.#isTaken(pod)) return undefined
    if (!begun) {
      const { knownNode, currentNode } = this.#options
      // Labels and taints may have changed since the node was seen last: a verdict over them wants the newest.
      const rejection = this.#judge(pod, knownNode()) && this.#judge(pod, await currentNode(signal))
      if (rejection) return rejection
      const without = await this.#options.devices.allocate(pod)
      if (without) return without
    }
    this.#taken.add(pod.metadata.uid)
    return undefined
  }

  /** Why the pod would not fit beside the others, as its spec has it now. */
  judge(pod: Pod): Rejection | undefined {
    return this.#judge(pod, this.#options.knownNode())
  }

  /** Nothing of the pod runs any more. */
  ended(podUid: string): void {
    this.#over.add(podUid)
  }

  forget(podUid: string): void {
    this.#taken.delete(podUid)
    this.#over.delete(podUid)
  }

  #judge(pod: Pod, node: Node | undefined): Rejection | undefined {
    const { allocatable, allowedUnsafeSysctls, hasAppArmor, podsOfNode, pressures } = this.#options
    const { name, namespace } = pod.metadata
    // Under its own name there may be its mirror, or its predecessor.
    const isOwn = ({ metadata }: Pod): boolean => metadata.name === name && metadata.namespace === namespace
    const others = podsOfNode().filter((other) => !isOwn(other) && this.#isTaken(other) && !this.#isOver(other))
    return whyRejected({ pod, node, others, allocatable, allowedUnsafeSysctls, hasAppArmor, pressures: pressures() })
  }

  /** A pod that has a start time was taken by an earlier kubelet. */
  #isTaken({ metadata, status }: Pod): boolean {
    return this.#taken.has(metadata.uid) || status?.startTime !== undefined
  }

  #isOver({ metadata, status }: Pod): boolean {
    return this.#over.has(metadata.uid) || isTerminalPhase(status?.phase)
  }
}
