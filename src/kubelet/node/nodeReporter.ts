/**
 * Registers the node and keeps the API informed: its status when it changes (and every five minutes), a Lease every ten
 * seconds as the sign of life. A new node is Ready in the very request that creates it.
 */
import { isDeepStrictEqual } from 'node:util'
import { nodes, type Node, type NodeStatus, type NodeSystemInfo } from '../../api/kinds/core/v1.ts'
import { isAlreadyExists } from '../../api/status.ts'
import { orAbort } from '../../base/abort.ts'
import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { DeviceAmounts } from '../devices/deviceManager.ts'
import type { Condition } from '../eviction/pressure.ts'
import type { Image, Runtime } from '../runtime/runtime.ts'
import type { NodeCapacity } from './capacity.ts'
import { NodeEvents, pressureReasons } from './nodeEvents.ts'
import { readNodeInfo } from './nodeInfo.ts'
import { LEASE_INTERVAL_MS, renewLease } from './nodeLease.ts'
import { allocatablePatch, extendedResources, newNode, NODE_ANNOTATIONS, nodeLabels, nodeStatus } from './nodeStatus.ts'
import { RUNTIME_SILENT_AFTER_MS, RuntimeHealth } from './runtimeHealth.ts'
import { isNews } from './statusNews.ts'

const STATUS_INTERVAL_MS = 5 * 60_000
/** Images come and go in bursts. */
const IMAGES_DELAY_MS = 1000
const RETRY = { baseMs: 100, maxMs: 7000 }

export interface NodeReporterOptions {
  client: Client
  runtime: Runtime
  events: EventRecorder
  clock: Clock
  log: Logger
  signal: AbortSignal
  nodeName: string
  nodeIps: readonly string[]
  rootDir: string
  kubeletPort: number
  nodeLabels: Readonly<Record<string, string>>
  capacity: NodeCapacity
  /** What device plugins offer. */
  devices(): DeviceAmounts
  allocatable: Readonly<Record<string, string>>
  /** Volumes that storage drivers attached and that must stay so for now. */
  volumesInUse(): Promise<string[]>
}

export class NodeReporter {
  readonly #options: NodeReporterOptions
  readonly #events: NodeEvents
  readonly #health: RuntimeHealth
  #info: NodeSystemInfo | undefined
  #node: Node | undefined
  #images: readonly Image[] = []
  #sent: NodeStatus | undefined
  #extended: Readonly<Record<string, string>> = {}
  #pressures: readonly Condition[] = []
  #isUnschedulable = false
  #isStopping = false
  #cancelSoon: (() => void) | undefined
  #sending: Promise<void> = Promise.resolve()

  constructor(options: NodeReporterOptions) {
    this.#options = options
    this.#events = new NodeEvents(options)
    this.#health = new RuntimeHealth({
      ...options,
      onChange: (isDown) => {
        this.#sendSoon(0)
        this.#events.status(isDown ? 'NodeNotReady' : 'NodeReady')
      },
    })
  }

  /** The node's object once it is registered; events about the node refer to it. */
  get node(): Node | undefined {
    return this.#node
  }

  /** Resolves when the node is registered and Ready. */
  async register(): Promise<void> {
    const { runtime, log, clock, signal } = this.#options
    const backoff = new Backoff(RETRY)
    for (;;) {
      try {
        this.#info ??= await readNodeInfo(await runtime.version(), this.#options.rootDir)
        const isNew = await this.#createOrUpdate()
        this.#events.record('Starting', 'Starting kubelet.')
        if (isNew) for (const reason of pressureReasons(undefined, this.#pressures)) this.#events.status(reason)
        this.#events.record('NodeAllocatableEnforced', 'Updated Node Allocatable limit across pods')
        this.#events.status('NodeReady')
        return
      } catch (error) {
        signal.throwIfAborted()
        log.warn('the node could not be registered', { error: String(error) })
        await clock.sleep(backoff.next(), signal)
      }
    }
  }

  /** Keeps the lease and the status fresh until the signal aborts. */
  async run(): Promise<void> {
    const { clock, log, signal } = this.#options
    let statusDueMs = clock.now() + STATUS_INTERVAL_MS
    while (!signal.aborted) {
      await renewLease(this.#options, this.#node).catch((error: unknown) => {
        if (!signal.aborted) log.warn('the node lease could not be renewed', { error: String(error) })
      })
      void this.#health.ping()
      await this.#lookAtNode().catch(() => {})
      if (clock.now() >= statusDueMs) {
        statusDueMs = clock.now() + STATUS_INTERVAL_MS
        this.#sendSoon(0)
      }
      await clock.sleep(LEASE_INTERVAL_MS, signal).catch(() => {})
    }
    this.#cancelSoon?.()
    this.#health.stop()
    await this.#sending
  }

  /** What others say of the node: that it has something more, or is to get no pods. */
  async #lookAtNode(): Promise<void> {
    const { client, nodeName, signal } = this.#options
    const { spec, status } = await client.get(nodes, { name: nodeName, signal })
    const isUnschedulable = spec?.unschedulable === true
    if (isUnschedulable !== this.#isUnschedulable) this.#events.status(isUnschedulable ? 'NodeNotSchedulable' : 'NodeSchedulable')
    this.#isUnschedulable = isUnschedulable
    const extended = extendedResources(status?.capacity)
    if (isDeepStrictEqual(extended, this.#extended)) return
    this.#extended = extended
    this.#sendSoon(0)
  }

  devicesChanged(): void {
    this.#sendSoon(0)
  }

  /** The images on the node changed. */
  imagesChanged(): void {
    this.#sendSoon(IMAGES_DELAY_MS)
  }

  /** The runtime does not answer, or does again. */
  runtimeChanged(error: string | undefined): void {
    this.#health.changed(error)
  }

  /** What the node runs short of, or does no more. */
  pressuresChanged(conditions: readonly Condition[]): void {
    const before = this.#pressures
    this.#pressures = conditions
    this.#sendSoon(0)
    for (const reason of pressureReasons(before, conditions)) this.#events.status(reason)
  }

  /** The node is about to stop: it takes no more pods, and says so. */
  stopping(): void {
    this.#isStopping = true
    this.#events.record('Shutdown', 'Shutdown manager detected shutdown event')
    this.#sendSoon(0)
    this.#events.status('NodeNotReady')
  }

  volumesChanged(): void {
    this.#sendSoon(0)
  }

  /** Something of the node that an event tells. */
  warn(reason: string, message: string): void {
    this.#events.record(reason, message, 'Warning')
  }

  #sendSoon(delayMs: number): void {
    if (this.#cancelSoon && delayMs > 0) return
    this.#cancelSoon?.()
    const { clock, log, signal } = this.#options
    this.#cancelSoon = clock.after(delayMs, () => {
      this.#cancelSoon = undefined
      this.#sending = this.#sending
        .then(() => this.#send())
        .catch((error: unknown) => {
          if (signal.aborted) return
          log.warn('the node status could not be sent', { error: String(error) })
          this.#sendSoon(RETRY.maxMs)
        })
    })
  }

  async #status(): Promise<NodeStatus> {
    const { nodeName, nodeIps, kubeletPort, capacity, allocatable, clock, runtime, volumesInUse } = this.#options
    // While the runtime is down nobody knows better than before.
    if (this.#health.error === undefined) this.#images = await orAbort(runtime.images(), AbortSignal.timeout(RUNTIME_SILENT_AFTER_MS))
    return nodeStatus({
      nodeName,
      nodeIps,
      kubeletPort,
      capacity,
      allocatable,
      extended: this.#extended,
      devices: this.#options.devices(),
      images: this.#images,
      info: this.#info as NodeSystemInfo,
      errors: [
        ...(this.#health.error === undefined ? [] : [`container runtime is down: ${this.#health.error}`]),
        ...(this.#isStopping ? ['node is shutting down'] : []),
      ],
      pressures: this.#pressures,
      volumesInUse: await volumesInUse(),
      before: this.#sent,
      nowMs: clock.now(),
    })
  }

  /** Whether there was no such node. */
  async #createOrUpdate(): Promise<boolean> {
    const { client, nodeName, signal, nodeLabels: more } = this.#options
    const labels = nodeLabels(nodeName, (this.#info as NodeSystemInfo).architecture, more)
    const status = await this.#status()
    let isNew = true
    try {
      this.#node = await client.create(nodes, newNode(nodeName, labels, status), { signal })
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
      isNew = false
      const patch = { metadata: { labels, annotations: NODE_ANNOTATIONS } }
      this.#node = await client.patch(nodes, { name: nodeName, type: 'application/merge-patch+json', signal }, patch)
    }
    this.#sent = this.#node?.status
    this.#extended = extendedResources(this.#sent?.capacity)
    this.#isUnschedulable = this.#node?.spec?.unschedulable === true
    const [bootBefore, bootNow] = [this.#sent?.nodeInfo?.bootID, status.nodeInfo?.bootID]
    if (bootBefore && bootNow && bootBefore !== bootNow)
      this.#events.record('Rebooted', `Node ${nodeName} has been rebooted, boot id: ${bootNow}`, 'Warning')
    await this.#send()
    return isNew
  }

  async #send(): Promise<void> {
    const { client, nodeName, signal } = this.#options
    const status = await this.#status()
    if (!isNews(this.#sent, status, { quietMs: STATUS_INTERVAL_MS - LEASE_INTERVAL_MS })) return
    const patched = await client.patch(
      nodes,
      { name: nodeName, subresource: 'status', type: 'application/strategic-merge-patch+json', signal },
      {
        status: {
          ...status,
          allocatable: allocatablePatch(this.#sent, status),
          addresses: [{ $patch: 'replace' }, ...(status.addresses ?? [])],
        },
      },
    )
    this.#node = patched
    this.#sent = status
  }
}
