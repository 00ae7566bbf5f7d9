/**
 * Registers the node and keeps the API informed: its status when it changes (and every five minutes), a Lease every ten
 * seconds as the sign of life. A new node is Ready in the very request that creates it.
 */
import { isDeepStrictEqual } from 'node:util'
import { leases } from '../../api/kinds/coordination/v1.ts'
import type { Lease } from '../../api/kinds/coordination/v1.ts'
import { nodes } from '../../api/kinds/core/v1.ts'
import type { Node, NodeStatus, NodeSystemInfo } from '../../api/kinds/core/v1.ts'
import type { Draft } from '../../api/resource.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts'
import { orAbort } from '../../base/abort.ts'
import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Image, Runtime } from '../runtime/runtime.ts'
import type { Condition } from '../eviction/pressure.ts'
import type { DeviceAmounts } from '../devices/deviceManager.ts'
import type { NodeCapacity } from './capacity.ts'
import { readNodeInfo } from './nodeInfo.ts'
import { allocatablePatch, extendedResources, newNode, NODE_ANNOTATIONS, nodeLabels, nodeStatus, withoutHeartbeats } from './nodeStatus.ts'

const LEASE_NAMESPACE = 'kube-node-lease'
const LEASE_SECONDS = 40
const LEASE_INTERVAL_MS = 10_000
const STATUS_INTERVAL_MS = 5 * 60_000
/** Images come and go in bursts. */
const IMAGES_DELAY_MS = 1000
/** A question that takes longer than this has no answer for now. */
const RUNTIME_SILENT_AFTER_MS = 10_000
/** Upstream's threshold: an engine that is only started anew takes no service down. */
const RUNTIME_DOWN_AFTER_MS = 30_000
const PRESSURE_EVENTS: Readonly<Record<Condition, readonly [short: string, fine: string]>> = {
  MemoryPressure: ['NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
  DiskPressure: ['NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
  PIDPressure: ['NodeHasInsufficientPID', 'NodeHasSufficientPID'],
}
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
  #info: NodeSystemInfo | undefined
  #node: Node | undefined
  #images: readonly Image[] = []
  #sent: NodeStatus | undefined
  #extended: Readonly<Record<string, string>> = {}
  #runtimeError: string | undefined
  #lastRuntimeError: string | undefined
  #pressures: readonly Condition[] = []
  #isUnschedulable = false
  #isStopping = false
  #pinging = false
  #cancelSoon: (() => void) | undefined
  #cancelDown: (() => void) | undefined
  #sending: Promise<void> = Promise.resolve()

  constructor(options: NodeReporterOptions) {
    this.#options = options
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
        this.#record('Starting', 'Starting kubelet.')
        if (isNew) for (const [, fine] of Object.values(PRESSURE_EVENTS)) this.#recordStatus(fine)
        this.#record('NodeAllocatableEnforced', 'Updated Node Allocatable limit across pods')
        this.#recordStatus('NodeReady')
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
      await this.#renewLease().catch((error: unknown) => {
        if (!signal.aborted) log.warn('the node lease could not be renewed', { error: String(error) })
      })
      void this.#ping()
      await this.#lookAtNode().catch(() => {})
      if (clock.now() >= statusDueMs) {
        statusDueMs = clock.now() + STATUS_INTERVAL_MS
        this.#sendSoon(0, true)
      }
      await clock.sleep(LEASE_INTERVAL_MS, signal).catch(() => {})
    }
    this.#cancelSoon?.()
    this.#cancelDown?.()
    await this.#sending
  }

  /** What others say of the node: that it has something more, or is to get no pods. */
  async #lookAtNode(): Promise<void> {
    const { client, nodeName, signal } = this.#options
    const { spec, status } = await client.get(nodes, { name: nodeName, signal })
    const isUnschedulable = spec?.unschedulable === true
    if (isUnschedulable !== this.#isUnschedulable) this.#recordStatus(isUnschedulable ? 'NodeNotSchedulable' : 'NodeSchedulable')
    this.#isUnschedulable = isUnschedulable
    const extended = extendedResources(status?.capacity)
    if (isDeepStrictEqual(extended, this.#extended)) return
    this.#extended = extended
    this.#sendSoon(0, false)
  }

  devicesChanged(): void {
    this.#sendSoon(0, false)
  }

  /** The images on the node changed. */
  imagesChanged(): void {
    this.#sendSoon(IMAGES_DELAY_MS, false)
  }

  /** The runtime does not answer, or does again. The node stays Ready for a while: pods live on without their engine. */
  runtimeChanged(error: string | undefined): void {
    if (error === undefined) {
      this.#cancelDown?.()
      this.#cancelDown = undefined
      if (this.#runtimeError === undefined) return
      this.#runtimeError = undefined
      this.#sendSoon(0, false)
      this.#recordStatus('NodeReady')
      return
    }
    this.#lastRuntimeError = error
    this.#cancelDown ??= this.#options.clock.after(RUNTIME_DOWN_AFTER_MS, () => {
      this.#runtimeError = this.#lastRuntimeError
      this.#sendSoon(0, false)
      this.#recordStatus('NodeNotReady')
    })
  }

  /** One that hangs breaks no connection: it is known by its silence. */
  async #ping(): Promise<void> {
    if (this.#pinging) return
    this.#pinging = true
    const { runtime, clock } = this.#options
    let silent = false
    const cancel = clock.after(RUNTIME_SILENT_AFTER_MS, () => {
      silent = true
      this.runtimeChanged(`it has not answered for ${RUNTIME_SILENT_AFTER_MS / 1000} s`)
    })
    // One that refuses is known by its broken connection.
    await runtime.version().catch(() => {})
    cancel()
    this.#pinging = false
    if (silent) this.runtimeChanged(undefined)
  }

  /** What the node runs short of, or does no more. */
  pressuresChanged(conditions: readonly Condition[]): void {
    const before = this.#pressures
    this.#pressures = conditions
    this.#sendSoon(0, false)
    for (const [condition, [short, fine]] of Object.entries(PRESSURE_EVENTS)) {
      const is = conditions.includes(condition as Condition)
      if (is === before.includes(condition as Condition)) continue
      this.#recordStatus(is ? short : fine)
    }
  }

  /** The node is about to stop: it takes no more pods, and says so. */
  stopping(): void {
    this.#isStopping = true
    this.#record('Shutdown', 'Shutdown manager detected shutdown event')
    this.#sendSoon(0, false)
    this.#recordStatus('NodeNotReady')
  }

  volumesChanged(): void {
    this.#sendSoon(0, false)
  }

  /** Something of the node that an event tells. */
  warn(reason: string, message: string): void {
    this.#record(reason, message, 'Warning')
  }

  #sendSoon(delayMs: number, always: boolean): void {
    if (this.#cancelSoon && delayMs > 0) return
    this.#cancelSoon?.()
    const { clock, log, signal } = this.#options
    this.#cancelSoon = clock.after(delayMs, () => {
      this.#cancelSoon = undefined
      this.#sending = this.#sending
        .then(() => this.#send(always))
        .catch((error: unknown) => {
          if (signal.aborted) return
          log.warn('the node status could not be sent', { error: String(error) })
          this.#sendSoon(RETRY.maxMs, always)
        })
    })
  }

  #recordStatus(reason: string): void {
    this.#record(reason, `Node ${this.#options.nodeName} status is now: ${reason}`)
  }

  /** Events about a node carry its name as the uid, as those of every kubelet do. */
  #record(reason: string, message: string, type: 'Normal' | 'Warning' = 'Normal'): void {
    const { nodeName, events } = this.#options
    const metadata = { name: nodeName, uid: nodeName, creationTimestamp: '', resourceVersion: '' }
    events.record({ apiVersion: 'v1', kind: 'Node', metadata }, { type, reason, message })
  }

  async #status(): Promise<NodeStatus> {
    const { nodeName, nodeIps, kubeletPort, capacity, allocatable, clock, runtime, volumesInUse } = this.#options
    // While the runtime is down nobody knows better than before.
    if (this.#runtimeError === undefined) this.#images = await orAbort(runtime.images(), AbortSignal.timeout(RUNTIME_SILENT_AFTER_MS))
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
        ...(this.#runtimeError === undefined ? [] : [`container runtime is down: ${this.#runtimeError}`]),
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
      this.#record('Rebooted', `Node ${nodeName} has been rebooted, boot id: ${bootNow}`, 'Warning')
    await this.#send(true)
    return isNew
  }

  async #send(always: boolean): Promise<void> {
    const { client, nodeName, signal } = this.#options
    const status = await this.#status()
    const same = this.#sent !== undefined && isDeepStrictEqual(withoutHeartbeats(status), withoutHeartbeats(pick(this.#sent, status)))
    if (same && (!always || isReady(this.#sent) === isReady(status)) && !this.#heartbeatDue(status)) return
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

  #heartbeatDue(status: NodeStatus): boolean {
    const of = (one: NodeStatus | undefined): number =>
      Date.parse(one?.conditions?.find((c) => c.type === 'Ready')?.lastHeartbeatTime ?? '') || 0
    return of(status) - of(this.#sent) >= STATUS_INTERVAL_MS - LEASE_INTERVAL_MS
  }

  async #renewLease(): Promise<void> {
    const { client, nodeName, clock, signal } = this.#options
    const renewTime = new Date(clock.now()).toISOString().replace('Z', '000Z')
    const at = { namespace: LEASE_NAMESPACE, name: nodeName, signal }
    try {
      await client.patch(
        leases,
        { ...at, type: 'application/merge-patch+json' },
        { spec: { renewTime, holderIdentity: nodeName, leaseDurationSeconds: LEASE_SECONDS } },
      )
    } catch (error) {
      if (!isNotFound(error)) throw error
      const owner = this.#node && { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: this.#node.metadata.uid }
      const lease: Draft<Lease> = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: nodeName, namespace: LEASE_NAMESPACE, ...(owner && { ownerReferences: [owner] }) },
        spec: { renewTime, holderIdentity: nodeName, leaseDurationSeconds: LEASE_SECONDS },
      }
      await client.create(leases, lease, { namespace: LEASE_NAMESPACE, signal }).catch((failure: unknown) => {
        if (!isAlreadyExists(failure) && !isConflict(failure)) throw failure
      })
    }
  }
}

/** Of what the API has, the part that the kubelet reports. */
function pick(sent: NodeStatus, like: NodeStatus): NodeStatus {
  const keys = Object.keys(like) as (keyof NodeStatus)[]
  const conditions = (sent.conditions ?? []).filter((condition) => like.conditions?.some((own) => own.type === condition.type))
  return { ...Object.fromEntries(keys.filter((key) => sent[key] !== undefined).map((key) => [key, sent[key]])), conditions }
}

function isReady(status: NodeStatus | undefined): boolean {
  return status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false
}
