/** Which pods the node has taken: each is judged once, when it is seen for the first time, beside those taken before. */
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { orAbort } from '../../base/abort.ts'
import { judge, type Verdict } from './admission.ts'
import { podsToPreempt, type Needs } from './preemption.ts'
import type { Rejection } from '../pods/rejection.ts'
import type { DeviceManager } from '../devices/deviceManager.ts'
import type { Condition } from '../eviction/pressure.ts'
import { isCritical } from '../pods/critical.ts'
import type { Eviction } from '../pods/eviction.ts'
import { isTerminalPhase } from '../pods/podSpec.ts'

export interface PodAdmissionOptions {
  allocatable: Readonly<Record<string, string>>
  allowedUnsafeSysctls: readonly string[]
  hasAppArmor: boolean
  /** What the node runs short of. */
  pressures(): readonly Condition[]
  /** The node is about to stop. */
  isStopping(): boolean
  /** All pods that are bound to the node. */
  podsOfNode(): readonly Pod[]
  /** The node as it was seen last. */
  knownNode(): Node | undefined
  /** The node as the API has it now. */
  currentNode(signal: AbortSignal): Promise<Node>
  devices: Pick<DeviceManager, 'allocate'>
  /** Has a pod end; `ended` is called for it once it has. */
  evict(pod: Pod, eviction: Eviction): void
  /** A pod ends to make room; this was missing before all. */
  onPreemption(resource: string): void
}

/** A pod that ends for a critical one. */
interface Leaving {
  ended: Promise<void>
  hasEnded(): void
}

const PREEMPTED: Eviction = {
  reason: 'Preempting',
  message: 'Preempted in order to admit critical pod',
  disruption: 'Pod was preempted by Kubelet to accommodate a critical pod.',
}

export class PodAdmission {
  readonly #options: PodAdmissionOptions
  readonly #taken = new Set<string>()
  readonly #over = new Set<string>()
  readonly #leaving = new Map<string, Leaving>()
  /** Whom a critical pod waits for. */
  readonly #waiting = new Map<string, readonly Leaving[]>()

  constructor(options: PodAdmissionOptions) {
    this.#options = options
  }

  /** Why the pod may not run here; undefined once it is taken. `begun`: the runtime knows it already. */
  async admit(pod: Pod, begun: boolean, signal: AbortSignal): Promise<Rejection | undefined> {
    const { uid } = pod.metadata
    if (!this.#isTaken(pod)) {
      if (begun) this.#taken.add(uid)
      const rejection = begun ? undefined : await this.#take(pod, signal)
      if (rejection) return rejection
    }
    await this.#room(uid, signal)
    return undefined
  }

  /** Why the pod would not fit beside the others, as its spec has it now. */
  judge(pod: Pod): Rejection | undefined {
    const verdict = this.#judge(pod, this.#options.knownNode())
    return 'rejection' in verdict ? verdict.rejection : verdict.short
  }

  /** Nothing of the pod runs any more. */
  ended(podUid: string): void {
    this.#over.add(podUid)
    this.#left(podUid)
  }

  forget(podUid: string): void {
    this.#taken.delete(podUid)
    this.#over.delete(podUid)
    this.#waiting.delete(podUid)
    this.#left(podUid)
  }

  /** The pod has its place from the moment of the verdict on, so that pods that come together are not given the same. */
  async #take(pod: Pod, signal: AbortSignal): Promise<Rejection | undefined> {
    const { knownNode, currentNode, devices } = this.#options
    const { uid } = pod.metadata
    let verdict = this.#judge(pod, knownNode())
    // Labels and taints may have changed since the node was seen last: a verdict over them wants the newest.
    if ('rejection' in verdict) verdict = this.#judge(pod, await currentNode(signal))
    if ('rejection' in verdict) return verdict.rejection
    if (!verdict.needs) this.#keep(pod)
    const without = await devices.allocate(pod)
    if (without) {
      this.#taken.delete(uid)
      return without
    }
    if (this.#taken.has(uid)) return undefined
    verdict = this.#judge(pod, knownNode())
    const refused = 'rejection' in verdict ? verdict.rejection : verdict.needs && this.#preempt(pod, verdict.needs)
    if (!refused) this.#keep(pod)
    return refused
  }

  #keep(pod: Pod): void {
    const { uid } = pod.metadata
    this.#taken.add(uid)
    // Others may still be in the room that is made for such pods.
    if (isCritical(pod)) this.#waiting.set(uid, [...this.#leaving.values()])
  }

  #preempt(pod: Pod, needs: Needs): Rejection | undefined {
    const { evict, onPreemption } = this.#options
    const chosen = podsToPreempt(pod, this.#others(pod), needs)
    if (typeof chosen === 'string') {
      const message = `Unexpected error while attempting to recover from admission failure: ${chosen}`
      return { reason: 'UnexpectedAdmissionError', message }
    }
    for (const one of chosen) {
      const { promise: ended, resolve: hasEnded } = Promise.withResolvers<void>()
      this.#leaving.set(one.metadata.uid, { ended, hasEnded })
      evict(one, PREEMPTED)
      onPreemption([...needs.keys()][0] ?? '')
    }
    return undefined
  }

  /** Resolves when those have ended that make room for the pod. */
  async #room(uid: string, signal: AbortSignal): Promise<void> {
    await orAbort(Promise.all((this.#waiting.get(uid) ?? []).map(({ ended }) => ended)), signal)
    this.#waiting.delete(uid)
  }

  #left(podUid: string): void {
    this.#leaving.get(podUid)?.hasEnded()
    this.#leaving.delete(podUid)
  }

  /** With whom the pod shares the node. A critical one comes after those that leave. */
  #others(pod: Pod): Pod[] {
    const { name, namespace } = pod.metadata
    // Under its own name there may be its mirror, or its predecessor.
    const isOwn = ({ metadata }: Pod): boolean => metadata.name === name && metadata.namespace === namespace
    const isGoing = ({ metadata }: Pod): boolean => isCritical(pod) && this.#leaving.has(metadata.uid)
    return this.#options.podsOfNode().filter((one) => !isOwn(one) && this.#isTaken(one) && !this.#isOver(one) && !isGoing(one))
  }

  #judge(pod: Pod, node: Node | undefined): Verdict {
    const { allocatable, allowedUnsafeSysctls, hasAppArmor, pressures, isStopping } = this.#options
    return judge({
      pod,
      node,
      others: this.#others(pod),
      allocatable,
      allowedUnsafeSysctls,
      hasAppArmor,
      pressures: pressures(),
      isStopping: isStopping(),
    })
  }

  /** A pod that has a start time was taken by an earlier kubelet. */
  #isTaken({ metadata, status }: Pod): boolean {
    return this.#taken.has(metadata.uid) || status?.startTime !== undefined
  }

  #isOver({ metadata, status }: Pod): boolean {
    return this.#over.has(metadata.uid) || isTerminalPhase(status?.phase)
  }
}
