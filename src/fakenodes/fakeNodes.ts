/**
 * Fake nodes, in the manner of kwok: Node objects with heartbeats and no machine behind them. Pods that are bound to them run and
 * are ready at once without a container, succeed after a while if an annotation says so, and vanish when they are deleted.
 * For what a control plane does with many nodes and pods: schedulers, autoscalers, operators and benchmarks.
 */
import { leases } from '../api/kinds/coordination/v1.ts'
import { nodes, pods, type Node, type Pod } from '../api/kinds/core/v1.ts'
import { KUBERNETES_VERSION } from '../api/kubernetesVersion.ts'
import { hasFinished } from '../api/pods.ts'
import { keyOf } from '../api/resource.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../api/status.ts'
import type { ComponentContext } from '../base/component.ts'
import type { Client } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import { WorkQueue } from '../client/workQueue.ts'
import { completesAfterMs, fakeNode, fakeNodeName, nodeAddress, podAddress, runningStatus, succeededStatus } from './shapes.ts'

export interface FakeNodesOptions {
  client: Client
  informers: Informers
  /** How many nodes there are to be. */
  count: number
  /** Pods come to them only if they tolerate it: for clusters with a real node. */
  isTainted: boolean
}

const LEASE_NAMESPACE = 'kube-node-lease'
/** The node lifecycle controller gives a node up after some 50 s of silence. */
const LEASE_DURATION_S = 40
const HEARTBEAT_MS = 20_000
/** Heartbeats are spread over their period in this many steps. */
const HEARTBEAT_STEPS = 40
const WORKERS = 32
const CREATING_AT_ONCE = 16
const RETRY_BACKOFF = { baseMs: 100, maxMs: 30_000 }

/** Gives each node's pods the lowest free slot of its range. */
class Slots {
  readonly #ofPod = new Map<string, { node: number; slot: number }>()
  readonly #taken = new Map<number, Set<number>>()

  take(uid: string, node: number): number {
    const known = this.#ofPod.get(uid)
    if (known) return known.slot
    let taken = this.#taken.get(node)
    if (!taken) this.#taken.set(node, (taken = new Set()))
    let slot = 0
    while (taken.has(slot)) slot++
    taken.add(slot)
    this.#ofPod.set(uid, { node, slot })
    return slot
  }

  free(uid: string): void {
    const known = this.#ofPod.get(uid)
    if (!known) return
    this.#ofPod.delete(uid)
    this.#taken.get(known.node)?.delete(known.slot)
  }
}

class FakeNodes {
  readonly #options: FakeNodesOptions
  readonly #context: ComponentContext
  readonly #queue: WorkQueue
  readonly #indexOf = new Map<string, number>()
  readonly #slots = new Slots()
  readonly #completing = new Map<string, () => void>()

  constructor(options: FakeNodesOptions, context: ComponentContext) {
    this.#options = options
    this.#context = context
    this.#queue = new WorkQueue({ clock: context.clock, backoff: RETRY_BACKOFF })
    for (let i = 0; i < options.count; i++) this.#indexOf.set(fakeNodeName(i), i)
  }

  async run(): Promise<void> {
    const { signal, clock } = this.#context
    const { informers } = this.#options
    const [ofNodes, ofPods] = [informers.for(nodes), informers.for(pods)]
    await Promise.all([ofNodes.synced(signal), ofPods.synced(signal)])
    await this.#register()
    const stops = [
      ofPods.onChange(({ key, before, after }) => this.#podChanged(key, before, after)),
      ofNodes.onChange(({ key, after }) => {
        // Somebody deleted it: it stays away, as a real one's machine might.
        if (!after) this.#indexOf.delete(key)
      }),
    ]
    const close = (): void => this.#queue.close()
    signal.addEventListener('abort', close, { once: true })
    this.#context.ready()
    try {
      const workers = Array.from({ length: WORKERS }, () => this.#work())
      for (let step = 0; !signal.aborted; step++) {
        await clock.sleep(HEARTBEAT_MS / HEARTBEAT_STEPS, signal).catch(() => {})
        if (!signal.aborted) await this.#beat(step % HEARTBEAT_STEPS)
      }
      await Promise.all(workers)
    } finally {
      for (const stop of stops) stop()
      for (const cancel of this.#completing.values()) cancel()
      this.#queue.close()
    }
  }

  /** The nodes that are not there yet, and a first sign of life of all. */
  async #register(): Promise<void> {
    const { informers } = this.#options
    const missing = [...this.#indexOf].filter(([name]) => !informers.for(nodes).get(name)).map(([, index]) => index)
    await inParallel(missing, CREATING_AT_ONCE, (index) => this.#createNode(index))
    await inParallel([...this.#indexOf.keys()], CREATING_AT_ONCE, (name) => this.#renew(name))
  }

  async #createNode(index: number): Promise<void> {
    const { client, isTainted } = this.#options
    const { clock, signal } = this.#context
    const draft = fakeNode({ index, nowMs: clock.now(), kubernetesVersion: KUBERNETES_VERSION, isTainted })
    try {
      await client.create(nodes, draft, { signal })
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
  }

  async #beat(step: number): Promise<void> {
    const due = [...this.#indexOf].filter(([, index]) => index % HEARTBEAT_STEPS === step).map(([name]) => name)
    await inParallel(due, CREATING_AT_ONCE, (name) =>
      this.#renew(name).catch((error: unknown) => {
        if (!this.#context.signal.aborted) this.#context.log.warn('no heartbeat', { node: name, cause: String(error) })
      }),
    )
  }

  async #renew(name: string): Promise<void> {
    const { client, informers } = this.#options
    const { clock, signal } = this.#context
    const node: Node | undefined = informers.for(nodes).get(name)
    const renewTime = new Date(clock.now()).toISOString().replace('Z', '000Z')
    const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_DURATION_S, renewTime }
    const at = { namespace: LEASE_NAMESPACE, name, signal }
    try {
      await client.patch(leases, { ...at, type: 'application/merge-patch+json' }, { spec })
    } catch (error) {
      if (!isNotFound(error)) throw error
      const owners = node && [{ apiVersion: 'v1', kind: 'Node', name, uid: node.metadata.uid }]
      const draft = { metadata: { namespace: LEASE_NAMESPACE, name, ...(owners && { ownerReferences: owners }) }, spec }
      await client.create(leases, draft, { signal }).catch((late: unknown) => {
        if (!isAlreadyExists(late)) throw late
      })
    }
  }

  #podChanged(key: string, before: Pod | undefined, after: Pod | undefined): void {
    if (before && before.metadata.uid !== after?.metadata.uid) this.#podGone(before.metadata.uid)
    if (after?.spec.nodeName && this.#indexOf.has(after.spec.nodeName) && needsWork(after)) this.#queue.add(key)
  }

  #podGone(uid: string): void {
    this.#slots.free(uid)
    this.#completing.get(uid)?.()
    this.#completing.delete(uid)
  }

  async #work(): Promise<void> {
    for (;;) {
      const key = await this.#queue.next()
      if (key === undefined) return
      try {
        await this.#reconcile(key)
        this.#queue.forget(key)
      } catch (error) {
        if (this.#context.signal.aborted) return
        if (!isConflict(error)) this.#context.log.warn('could not work on a fake pod', { pod: key, cause: String(error) })
        this.#queue.addRateLimited(key)
      } finally {
        this.#queue.done(key)
      }
    }
  }

  async #reconcile(key: string): Promise<void> {
    const { client, informers } = this.#options
    const { clock, signal } = this.#context
    const pod = informers.for(pods).get(key)
    const index = this.#indexOf.get(pod?.spec.nodeName ?? '')
    if (!pod || index === undefined) return
    const { namespace, name, uid } = pod.metadata
    try {
      if (pod.metadata.deletionTimestamp !== undefined) {
        this.#podGone(uid)
        await client.delete(pods, { namespace, name, signal }, { gracePeriodSeconds: 0, preconditions: { uid } })
      } else if ((pod.status?.phase ?? 'Pending') === 'Pending') {
        const podIp = podAddress(index, this.#slots.take(uid, index))
        await this.#patchStatus(pod, runningStatus(pod, nodeAddress(index), podIp, clock.now()))
      } else {
        this.#completeLater(pod)
      }
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  #completeLater(pod: Pod): void {
    const { uid } = pod.metadata
    const afterMs = completesAfterMs(pod)
    if (afterMs === undefined || this.#completing.has(uid)) return
    const { clock, log, signal } = this.#context
    const startedMs = Date.parse(pod.status?.startTime ?? pod.metadata.creationTimestamp)
    const cancel = clock.after(Math.max(0, startedMs + afterMs - clock.now()), () => {
      this.#patchStatus(pod, succeededStatus(pod, clock.now())).catch((error: unknown) => {
        if (!signal.aborted && !isNotFound(error)) log.warn('a fake pod could not end', { pod: keyOf(pod), cause: String(error) })
      })
    })
    this.#completing.set(uid, cancel)
  }

  async #patchStatus({ metadata: { namespace, name, uid } }: Pod, status: object): Promise<void> {
    const at = { namespace, name, subresource: 'status' as const, signal: this.#context.signal }
    await this.#options.client.patch(pods, { ...at, type: 'application/strategic-merge-patch+json' }, { metadata: { uid }, status })
  }
}

function needsWork(pod: Pod): boolean {
  if (pod.metadata.deletionTimestamp !== undefined) return true
  if (hasFinished(pod)) return false
  return (pod.status?.phase ?? 'Pending') === 'Pending' || completesAfterMs(pod) !== undefined
}

async function inParallel<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  await Promise.all(
    Array.from({ length: Math.min(atOnce, items.length) }, async () => {
      for (const item of left) await work(item)
    }),
  )
}

export function runFakeNodes(options: FakeNodesOptions, context: ComponentContext): Promise<void> {
  return new FakeNodes(options, context).run()
}
