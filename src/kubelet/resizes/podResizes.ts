/**
 * Resizes of pods in place (upstream's pkg/kubelet/allocation): which requests and limits the node has given a pod. A pod whose
 * spec asks for more than fits keeps what it was given; the wish is told as pending and looked at again, the more important pod
 * first, whenever another pod gives something back.
 */
import type { Container, Pod, ResourceRequirements } from '../../api/kinds/core/v1.ts'
import { compareQuantity } from '../../api/quantity.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Rejection } from '../pods/rejection.ts'
import { podAmounts, podResources } from '../resources/podResources.ts'
import { podQosClass } from '../resources/qos.ts'
import { allContainers, containerIdOf, type PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { allSpecContainers } from '../pods/podSpec.ts'
import type { PendingResize, ResizeState } from './resizeConditions.ts'

/** What a resize may change. */
export const RESIZABLE = ['cpu', 'memory'] as const
const RETRY_AFTER_MS = 10_000
const KINDS = ['requests', 'limits'] as const

type Given = ReadonlyMap<string, ResourceRequirements>

/** The resources, of those that a resize may change, in which the two differ. */
export function differences(a: ResourceRequirements | undefined, b: ResourceRequirements | undefined): string[] {
  return RESIZABLE.filter((name) => KINDS.some((kind) => a?.[kind]?.[name] !== b?.[kind]?.[name]))
}

/** Under this name, which no container has, stands what was given to the pod as a whole. */
const WHOLE_POD = ''

function specOf(pod: Pod): Given {
  const given = new Map<string, ResourceRequirements>(allSpecContainers(pod).map(({ name, resources }) => [name, resources ?? {}]))
  if (pod.spec?.resources) given.set(WHOLE_POD, pod.spec.resources)
  return given
}

/** What an earlier kubelet had given, as it told it. */
function toldBefore({ spec, status }: Pod): Given | undefined {
  const told = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].flatMap(
    ({ name, resources, allocatedResources }): [string, ResourceRequirements][] => {
      if (!resources) return []
      const requests = allocatedResources ?? resources.requests
      return [[name, { ...(requests && { requests }), ...(resources.limits && { limits: resources.limits }) }]]
    },
  )
  if (told.length === 0) return undefined
  // With a sandbox's own amounts in them the sums say nothing of what was given.
  if (spec?.resources && status?.resources && !spec.overhead) {
    const { resources, allocatedResources: requests = resources.requests } = status
    told.push([
      WHOLE_POD,
      onlySaid(spec.resources, { ...(requests && { requests }), ...(resources.limits && { limits: resources.limits }) }),
    ])
  }
  return new Map(told)
}

/** The status tells of the containers' sums, too, which nobody gave to the pod as a whole. */
function onlySaid(spec: ResourceRequirements, told: ResourceRequirements): ResourceRequirements {
  const of = (kind: (typeof KINDS)[number]): Record<string, string> =>
    Object.fromEntries(Object.entries(told[kind] ?? {}).filter(([name]) => spec[kind]?.[name] !== undefined))
  return { requests: of('requests'), limits: of('limits') }
}

function withResources<T extends { resources?: ResourceRequirements }>(container: T, given: ResourceRequirements | undefined): T {
  if (!given || differences(container.resources, given).length === 0) return container
  const resources: Record<string, unknown> = { ...container.resources }
  for (const kind of KINDS) {
    const amounts: Record<string, string> = { ...container.resources?.[kind] }
    for (const name of RESIZABLE) {
      const amount = given[kind]?.[name]
      if (amount === undefined) delete amounts[name]
      else amounts[name] = amount
    }
    if (Object.keys(amounts).length > 0) resources[kind] = amounts
    else delete resources[kind]
  }
  return { ...container, resources: resources as ResourceRequirements }
}

/** The pod with these resources in its spec; the very same one where it has them. */
export function withGiven(pod: Pod, given: Given): Pod {
  if (!pod.spec) return pod
  const whole = pod.spec.resources ? withResources({ resources: pod.spec.resources }, given.get(WHOLE_POD)).resources : undefined
  const isWhole = whole === pod.spec.resources
  if (isWhole && allSpecContainers(pod).every((container) => withResources(container, given.get(container.name)) === container)) return pod
  const { containers, initContainers } = pod.spec
  const change = (container: Container): Container => withResources(container, given.get(container.name))
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: containers.map(change),
      ...(initContainers && { initContainers: initContainers.map(change) }),
      ...(whole && { resources: whole }),
    },
  }
}

/** The text of an event: what the pod's containers are to have. */
function summary(pod: Pod, what: string, error = ''): string {
  const entries = (containers: readonly Container[] | undefined): object[] | undefined =>
    containers?.map(({ name, resources }) => ({ name, resources: resources ?? {} }))
  const inits = entries(pod.spec?.initContainers)
  const told = {
    ...(inits?.length && { initContainers: inits }),
    containers: entries(pod.spec?.containers),
    generation: pod.metadata.generation ?? 0,
    ...(error && { error }),
  }
  return `Pod resize ${what}: ${JSON.stringify(told)}`
}

/** Notes what running containers have: what the API says of those that ran before this kubelet did, else what the spec says. */
export function learnResources(pod: Pod, observed: PodRuntimeStatus, known: Map<string, ResourceRequirements>): void {
  const reported = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
  const running = allContainers(observed).filter((container) => container.state === 'Running')
  for (const id of known.keys()) if (!running.some((container) => container.id === id)) known.delete(id)
  for (const { id, name } of running) {
    if (known.has(id)) continue
    const before = reported.find((status) => status.containerID === containerIdOf(id))?.resources
    known.set(id, before ?? allSpecContainers(pod).find((container) => container.name === name)?.resources ?? {})
  }
}

/** Whether the pod asks for more than it was given. */
function isIncrease(wished: Pod, given: Pod): boolean {
  const [more, less] = [podAmounts(wished, 'requests'), podAmounts(given, 'requests')]
  return RESIZABLE.some((name) => compareQuantity(more[name] ?? '0', less[name] ?? '0') > 0)
}

export interface PodResizesOptions {
  events: EventRecorder
  /** Why the pod, as its spec has it, does not fit beside the others. */
  judge(pod: Pod): Rejection | undefined
  /** Another pod than the one that was looked at has got what it waited for. */
  onGiven(podUid: string): void
}

interface PodResize extends ResizeState {
  given: Given
  pendingFor?: number
}

export class PodResizes {
  readonly #options: PodResizesOptions
  readonly #byUid = new Map<string, PodResize>()
  /** Pods that ask for something else than they were given, those that have waited longest first. */
  readonly #wishes = new Map<string, Pod>()

  constructor(options: PodResizesOptions) {
    this.#options = options
  }

  /** The pod with what it was given. */
  allocated(pod: Pod): Pod {
    const given = this.#byUid.get(pod.metadata.uid)?.given ?? toldBefore(pod)
    return given ? withGiven(pod, given) : pod
  }

  state(podUid: string): ResizeState {
    return this.#byUid.get(podUid) ?? {}
  }

  /** Gives the pod what its spec asks for, if it fits; answers the pod with what it has now. */
  review(pod: Pod): Pod {
    const { uid } = pod.metadata
    if (this.allocated(pod) === pod) {
      this.#wishes.delete(uid)
      this.#byUid.set(uid, { ...withoutPending(this.#byUid.get(uid)), given: specOf(pod) })
      return pod
    }
    this.#wishes.set(uid, pod)
    this.#giveInOrder(uid)
    return this.allocated(pod)
  }

  /** A pod has given something back. */
  retry(): void {
    this.#giveInOrder()
  }

  #giveInOrder(reviewed?: string): void {
    for (const pod of this.#inOrder()) {
      const { uid } = pod.metadata
      if (!this.#give(pod)) continue
      this.#wishes.delete(uid)
      if (uid !== reviewed) this.#options.onGiven(uid)
    }
  }

  /** What takes nothing from the others comes first, then by importance. */
  #inOrder(): Pod[] {
    const rank = (pod: Pod): readonly number[] => [
      isIncrease(pod, this.allocated(pod)) ? 1 : 0,
      -(pod.spec?.priority ?? 0),
      podQosClass(pod) === 'Guaranteed' ? 0 : 1,
    ]
    const ranked = [...this.#wishes.values()].map((pod) => ({ pod, rank: rank(pod) }))
    const compare = (a: readonly number[], b: readonly number[]): number =>
      a.reduce((order, value, index) => order || value - (b[index] ?? 0), 0)
    return ranked.toSorted((a, b) => compare(a.rank, b.rank)).map(({ pod }) => pod)
  }

  #give(pod: Pod): boolean {
    const { events, judge } = this.#options
    const { uid, generation = 0 } = pod.metadata
    const known = this.#byUid.get(uid)
    const allocated = this.allocated(pod)
    const rejection = judge(pod)
    if (!rejection) {
      const isWhole = differences(allocated.spec?.resources, pod.spec?.resources).length > 0
      const wholeInForce = known?.wholeInForce ?? (isWhole ? podResources(allocated) : undefined)
      this.#byUid.set(uid, { given: specOf(pod), generation, ...(wholeInForce && { wholeInForce }) })
      events.record(pod, { type: 'Normal', reason: 'ResizeStarted', message: summary(pod, 'started') })
      return true
    }
    const pending: PendingResize = { reason: 'Deferred', message: rejection.message, generation }
    if (known?.pendingFor !== generation)
      events.record(pod, { type: 'Warning', reason: 'ResizeDeferred', message: summary(pod, pending.reason, pending.message) })
    this.#byUid.set(uid, { ...known, given: specOf(allocated), pending, pendingFor: generation })
    return false
  }

  completed(pod: Pod): void {
    this.#options.events.record(pod, { type: 'Normal', reason: 'ResizeCompleted', message: summary(pod, 'completed') })
  }

  /** A container could not be changed; the next sync tries it again. */
  failed(pod: Pod, message: string): void {
    const known = this.#byUid.get(pod.metadata.uid)
    if (!known || known.error === message) return
    this.#byUid.set(pod.metadata.uid, { ...known, error: message })
    this.#options.events.record(pod, { type: 'Warning', reason: 'ResizeError', message: summary(pod, 'error', message) })
  }

  succeeded(podUid: string): void {
    const known = this.#byUid.get(podUid)
    if (!known) return
    delete known.error
    delete known.wholeInForce
  }

  /** When what the pod waits for is looked at again. */
  retryAtMs(podUid: string, nowMs: number): number | undefined {
    const { pending, error } = this.state(podUid)
    return pending || error !== undefined ? nowMs + RETRY_AFTER_MS : undefined
  }

  /** Nothing of the pod runs any more. */
  ended(podUid: string): void {
    this.#wishes.delete(podUid)
    this.retry()
  }

  forget(podUid: string): void {
    this.#byUid.delete(podUid)
    this.ended(podUid)
  }
}

function withoutPending(known: PodResize | undefined): Partial<PodResize> {
  const { pending: _, pendingFor: __, ...rest } = known ?? { given: new Map() }
  return rest
}
