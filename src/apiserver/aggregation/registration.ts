/**
 * Keeps an APIService for each group version of custom resources (kube-aggregator's autoregistration): made when a
 * definition serves it, restored when it was changed or deleted, gone with the last definition. An APIService without the
 * automanaged label is somebody's own and left alone.
 */
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import type { APIService, APIServiceSpec } from '../../api/kinds/apiregistration/v1.ts'
import { deepEqual } from '../../api/meta.ts'
import type { Draft } from '../../api/resource.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { QueueMetrics } from '../../client/metrics/queueMetrics.ts'
import { WorkQueue } from '../../client/workQueue.ts'
import { LiveObjects } from '../authorization/liveObjects.ts'
import type { Loopback } from '../bootstrap/bootstrap.ts'
import type { Registry } from '../request.ts'
import { apiServiceName, AUTOMANAGED_LABEL } from './apiServices.ts'

/** Below everything built in. */
const CUSTOM_PRIORITIES = { groupPriorityMinimum: 1000, versionPriority: 100 }
const CONTINUOUSLY = 'true'
const RETRY = { baseMs: 20, maxMs: 10_000 }

/** The APIServices that definitions ask for, by name. Pure. */
export function wantedApiServices(definitions: Iterable<CustomResourceDefinition>): Map<string, APIServiceSpec> {
  const wanted = new Map<string, APIServiceSpec>()
  for (const { spec } of definitions) {
    for (const { name: version, served } of spec.versions) {
      if (served) wanted.set(apiServiceName(spec.group, version), { group: spec.group, version, ...CUSTOM_PRIORITIES })
    }
  }
  return wanted
}

export interface RegistrationOptions {
  registry: Registry
  loopback: Loopback
  queueMetrics: QueueMetrics
  log: Logger
  clock: Clock
}

export class Registration {
  readonly #options: RegistrationOptions
  readonly #definitions: LiveObjects<CustomResourceDefinition>
  readonly #services: LiveObjects<APIService>
  readonly #queue: WorkQueue
  readonly #registered = Promise.withResolvers<void>()

  constructor(options: RegistrationOptions) {
    const { loopback, log, clock } = options
    this.#options = options
    this.#queue = new WorkQueue({ clock, backoff: RETRY, name: 'crd_autoregistration_controller', metrics: options.queueMetrics })
    const add = (object: CustomResourceDefinition | undefined): void => {
      for (const { name } of object?.spec.versions ?? [])
        this.#queue.add(apiServiceName((object as CustomResourceDefinition).spec.group, name))
    }
    this.#definitions = new LiveObjects<CustomResourceDefinition>({
      resource: loopback.resource('apiextensions.k8s.io', 'v1', 'customresourcedefinitions'),
      log,
      clock,
      onChange: (before, after) => {
        if (before && after && deepEqual(before.spec, after.spec)) return
        add(before)
        add(after)
      },
    })
    this.#services = new LiveObjects<APIService>({
      resource: loopback.resource('apiregistration.k8s.io', 'v1', 'apiservices'),
      log,
      clock,
      onChange: (before, after) => {
        const managed = (before ?? after)?.metadata.labels?.[AUTOMANAGED_LABEL] === CONTINUOUSLY
        if (managed) this.#queue.add((before ?? after)?.metadata.name as string)
      },
    })
  }

  /** Resolves when what was there at the start has been seen to once. */
  get registered(): Promise<void> {
    return this.#registered.promise
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#queue.close(), { once: true })
    const following = [this.#definitions, this.#services].map((live) => live.run(this.#options.registry, signal))
    await Promise.race([Promise.all([this.#definitions.synced, this.#services.synced]), ...following])
    const waiting = new Set(wantedApiServices(this.#definitions.values()).keys())
    if (waiting.size === 0) this.#registered.resolve()
    for (;;) {
      const name = await this.#queue.next()
      if (name === undefined) break
      if (!(await this.#attempt(name, signal))) continue
      if (waiting.delete(name) && waiting.size === 0) this.#registered.resolve()
    }
    await Promise.all(following)
  }

  /** Answers whether it is done; what failed comes again. */
  async #attempt(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#sync(name)
      this.#queue.forget(name)
      return true
    } catch (error) {
      if (signal.aborted) return false
      this.#options.log.warn('an APIService could not be registered', { apiService: name, error: String(error) })
      this.#queue.addRateLimited(name)
      return false
    } finally {
      this.#queue.done(name)
    }
  }

  async #sync(name: string): Promise<void> {
    const { loopback } = this.#options
    const resource = loopback.resource('apiregistration.k8s.io', 'v1', 'apiservices')
    const spec = wantedApiServices(this.#definitions.values()).get(name)
    const known = this.#services.get(name)
    const managed = known?.metadata.labels?.[AUTOMANAGED_LABEL] === CONTINUOUSLY
    const passOver = (harmless: (error: unknown) => boolean) => (error: unknown) => {
      if (!harmless(error)) throw error
    }
    if (spec && !known) {
      const body: Draft<APIService> = {
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name, labels: { [AUTOMANAGED_LABEL]: CONTINUOUSLY } },
        spec,
      }
      await loopback.send('create', resource, { body }).catch(passOver(isAlreadyExists))
    } else if (spec && known && managed && !deepEqual(known.spec, spec)) {
      await loopback.send('update', resource, { name, body: { ...known, spec } }).catch(passOver(isConflict))
    } else if (!spec && managed) {
      await loopback.send('delete', resource, { name }).catch(passOver(isNotFound))
    }
  }
}
