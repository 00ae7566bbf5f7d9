/**
 * A cluster without machines for model tests: the real registry over a store in memory, and controllers that can be killed
 * and started at any moment, on a clock of the test's own. One seed decides everything.
 */
import { loadCatalog } from '../../src/api/catalog/load.ts'
import { namespaces, serviceaccounts } from '../../src/api/kinds/core/v1.ts'
import type { KubeObject, Resource } from '../../src/api/resource.ts'
import { admissionPlugins } from '../../src/apiserver/admission/plugins.ts'
import { DirectTransport } from '../../src/apiserver/direct.ts'
import { createRegistry } from '../../src/apiserver/registry/registry.ts'
import { Services } from '../../src/apiserver/registry/services/services.ts'
import type { Authorizer } from '../../src/apiserver/request.ts'
import { FakeClock } from '../../src/base/clock.ts'
import { createLogger } from '../../src/base/logger.ts'
import { Client, type ResourceRequest, type Transport } from '../../src/client/client.ts'
import type { Change, Informers } from '../../src/client/informer.ts'
import { createInformers } from '../../src/client/sharedInformer.ts'
import { cronJobController } from '../../src/controllers/cronjob/cronjob.ts'
import { daemonSetController } from '../../src/controllers/daemonset/daemonset.ts'
import { deploymentController } from '../../src/controllers/deployment/deployment.ts'
import { disruptionController } from '../../src/controllers/disruption/disruption.ts'
import { garbageCollector } from '../../src/controllers/garbageCollector/garbageCollector.ts'
import { horizontalPodAutoscalerController } from '../../src/controllers/podautoscaler/horizontal.ts'
import { jobController } from '../../src/controllers/job/job.ts'
import { replicaSetController } from '../../src/controllers/replicaset/replicaset.ts'
import { replicationControllerController } from '../../src/controllers/replicationcontroller.ts'
import { statefulSetController } from '../../src/controllers/statefulset/statefulset.ts'
import { ttlAfterFinishedController } from '../../src/controllers/ttlAfterFinished.ts'
import { pvcProtectionController } from '../../src/controllers/volume/protection.ts'
import type { ControllerFactory } from '../../src/reconcile/controller.ts'
import { runController } from '../../src/reconcile/runController.ts'
import { createMemoryStore } from '../../src/storage/memory/memoryStore.ts'
import { Random } from '../fuzz/random.ts'
import { FaultyTransport, NO_FAULTS, type FaultRates } from './faultyTransport.ts'

export const NAMESPACE = 'default'
const RESTART_AFTER_MS = 20
const CONTROLLER_USER = { name: 'system:kube-controller-manager', groups: ['system:masters'], extra: {} }
/** The last lines of a run are kept for its report. */
const TOLD_MAX = 400
/** After this much quiet nothing more is expected: longer than the longest backoff of the controllers. */
const QUIET_MS = 11 * 60_000
const SETTLE_LIMIT_MS = 3 * 60 * 60_000
const STEP_MS = 20_000

const FACTORIES: Readonly<Record<string, ControllerFactory>> = {
  'replicaset-controller': replicaSetController,
  'replicationcontroller-controller': replicationControllerController,
  'deployment-controller': deploymentController,
  'statefulset-controller': statefulSetController,
  'daemonset-controller': daemonSetController,
  'job-controller': jobController,
  'cronjob-controller': cronJobController,
  'disruption-controller': disruptionController,
  'garbage-collector-controller': garbageCollector,
  'horizontal-pod-autoscaler-controller': (context) => horizontalPodAutoscalerController(context),
  'persistentvolumeclaim-protection-controller': pvcProtectionController,
  'ttl-after-finished-controller': ttlAfterFinishedController,
}

const catalog = loadCatalog()
const authorizer: Authorizer = { authorize: () => ({ allowed: true, reason: '' }), escalation: () => undefined, rulesOf: () => [] }

export interface WorldOptions {
  seed: number
  /** By upstream's names. */
  controllers: readonly string[]
  rates: FaultRates
  /** The controllers are killed after each write that took effect. */
  killAfterWrite: boolean
}

export type OtherServer = (request: ResourceRequest) => unknown

export interface ControllerProcess {
  /** What these controllers believe. */
  caches: Informers
  kill: AbortController
}

export class World {
  readonly clock: FakeClock
  readonly random: Random
  /** Nothing fails here. */
  readonly client: Client
  /** Nothing lags here. */
  readonly truth: Informers
  readonly failures: Error[] = []
  readonly told: string[] = []
  readonly #transport: Transport
  readonly #options: WorldOptions
  readonly #stop: AbortController
  readonly #onWrite: ((request: ResourceRequest, process: ControllerProcess) => void)[] = []
  readonly #onWritten: ((request: ResourceRequest, answer: unknown, process: ControllerProcess) => void)[] = []
  readonly #onReconcile: ((controller: string, key: string, process: ControllerProcess) => void)[] = []
  #rates: FaultRates
  #killAfterWrite: boolean
  #process: ControllerProcess | undefined
  readonly #others: Map<string, OtherServer>
  writes = 0

  constructor(options: WorldOptions, clock: FakeClock, random: Random, direct: Transport, stop: AbortController) {
    const others = new Map<string, OtherServer>()
    const transport: Transport = {
      request: async (request) => (others.get(request.resource.group) ?? ((it) => direct.request(it)))(request),
      watch: (request) => direct.watch(request),
    }
    this.#others = others
    this.#options = options
    this.#transport = transport
    this.#stop = stop
    this.#rates = options.rates
    this.#killAfterWrite = options.killAfterWrite
    this.clock = clock
    this.random = random
    this.client = new Client(transport)
    const log = createLogger({ level: 'error', write: (line) => this.failures.push(new Error(line)) })
    this.truth = createInformers({ client: this.client, signal: stop.signal, log, clock })
  }

  /** Another API server answers for that group. */
  serve(group: string, answer: OtherServer): void {
    this.#others.set(group, answer)
  }

  /** A line of the run's report. */
  tell(line: string): void {
    this.told.push(`${((this.clock.now() - START_MS) / 1_000).toFixed(3)} ${line}`)
    if (this.told.length > TOLD_MAX) this.told.shift()
  }

  /** What must never happen has happened. */
  fail(message: string): void {
    this.tell(`FAILED ${message}`)
    this.failures.push(new Error(message))
  }

  /** Before each write of the controllers, with what they believe then. */
  onWrite(listener: (request: ResourceRequest, process: ControllerProcess) => void): void {
    this.#onWrite.push(listener)
  }

  /** After it took effect, whether or not its answer arrives. */
  onWritten(listener: (request: ResourceRequest, answer: unknown, process: ControllerProcess) => void): void {
    this.#onWritten.push(listener)
  }

  onReconcile(listener: (controller: string, key: string, process: ControllerProcess) => void): void {
    this.#onReconcile.push(listener)
  }

  async onChange<T extends KubeObject>(resource: Resource<T>, listener: (change: Change<T>) => unknown): Promise<void> {
    const informer = this.truth.for(resource)
    await informer.synced()
    informer.onChange(listener)
  }

  startControllers(): void {
    const { clock, random } = this
    const kill = new AbortController()
    const signal = AbortSignal.any([kill.signal, this.#stop.signal])
    const transport = new FaultyTransport({
      inner: this.#transport,
      clock,
      random,
      rates: () => this.#rates,
      killed: signal,
      onWrite: (request) => {
        for (const listener of this.#onWrite) listener(request, process)
      },
      onWritten: (request, answer) => this.#written(request, answer, process),
    })
    const client = new Client(transport)
    const log = createLogger({ level: 'error', write: (line) => this.tell(errorOf(line)) })
    const caches = createInformers({ client, signal, log, clock })
    const process: ControllerProcess = { caches, kill }
    this.#process = process
    const events = {
      record: (about: KubeObject, event: { reason: string; message: string }) =>
        this.tell(`event ${about.metadata.name} ${event.reason} ${event.message}`),
    }
    const context = { client, informers: caches, events, signal, log, clock }
    for (const name of this.#options.controllers) {
      const controller = FACTORIES[name]?.(context)
      if (!controller) throw new Error(`no controller ${name}`)
      const watched = {
        ...controller,
        reconcile: (key: string, ending: AbortSignal) => {
          for (const listener of this.#onReconcile) listener(name, key, process)
          return controller.reconcile(key, ending)
        },
      }
      void runController(watched, context).catch((error: unknown) => this.fail(`${name} ended: ${String(error)}`))
    }
  }

  #written(request: ResourceRequest, answer: unknown, process: ControllerProcess): void {
    this.writes++
    const { verb, resource, name, subresource } = request
    const object = answer as Partial<KubeObject> | undefined
    const what = `${resource.resource}${subresource ? `/${subresource}` : ''} ${name ?? object?.metadata?.name ?? ''}`
    this.tell(`controllers ${verb} ${what} ${shown(request)}`)
    for (const listener of this.#onWritten) listener(request, answer, process)
    if (this.#killAfterWrite) this.restartControllers()
  }

  /** kill -9, and a new start a little later: nothing is left in memory. */
  restartControllers(): void {
    if (!this.#process) return
    this.tell('controllers killed')
    this.#process.kill.abort(new Error('killed'))
    this.#process = undefined
    this.clock.after(RESTART_AFTER_MS, () => {
      if (!this.#process && !this.#stop.signal.aborted) this.startControllers()
    })
  }

  /** From now on nothing goes wrong any more. */
  calmDown(): void {
    this.#rates = NO_FAULTS
    this.#killAfterWrite = false
    this.tell('calm')
  }

  async revision(): Promise<string> {
    return (await this.client.list(namespaces)).resourceVersion
  }

  /** Waits until nothing is written for long. */
  async settle(): Promise<void> {
    const untilMs = this.clock.now() + SETTLE_LIMIT_MS
    for (let [last, quietMs] = ['', 0]; quietMs < QUIET_MS; quietMs += STEP_MS) {
      if (this.clock.now() > untilMs) throw new Error('it never comes to rest')
      await this.clock.advance(STEP_MS)
      const now = await this.revision()
      if (now !== last) quietMs = 0
      last = now
    }
  }

  stop(): void {
    this.#stop.abort(new Error('the test is over'))
  }
}

/** What a log line says, without its stack. */
function errorOf(line: string): string {
  const { message, error } = JSON.parse(line) as { message: string; error?: { message?: string } }
  return `log: ${message}: ${error?.message ?? ''}`
}

function shown({ body, verb }: ResourceRequest): string {
  const object = body as { spec?: { replicas?: number }; status?: unknown; metadata?: object } | undefined
  if (verb === 'update') return JSON.stringify(object?.status ?? object?.spec?.replicas ?? object?.metadata)?.slice(0, 180) ?? ''
  if (verb === 'patch' || verb === 'delete') return JSON.stringify(object)?.slice(0, 180) ?? ''
  return ''
}

const START_MS = Date.UTC(2026, 0, 1)

export async function createWorld(options: WorldOptions): Promise<World> {
  const clock = new FakeClock(START_MS)
  const random = new Random(options.seed)
  const stop = new AbortController()
  const log = createLogger({ level: 'error', write: () => {} })
  const tokens = { defaultAudiences: [], issue: () => Promise.reject(new Error('no tokens here')) }
  const registry = await createRegistry({
    catalog,
    store: createMemoryStore(),
    clock,
    log,
    authorizer,
    tokens,
    services: new Services({ serviceClusterIpRange: '10.96.0.0/16', nodePortRange: { first: 30_000, last: 32_767 } }),
    admission: (reader) => admissionPlugins({ reader, authorizer }),
  })
  const transport = new DirectTransport({ catalog, registry, authorizer, user: CONTROLLER_USER, userAgent: 'test', stopping: stop.signal })
  const world = new World(options, clock, random, transport, stop)
  await world.client.create(namespaces, { metadata: { name: NAMESPACE }, spec: {} })
  await world.client.create(serviceaccounts, { metadata: { name: 'default', namespace: NAMESPACE } })
  return world
}
