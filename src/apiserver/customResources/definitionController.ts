/** Brings definitions to where they should be: names granted, established, and emptied of their objects before they go. */
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionStatus } from '../../api/kinds/apiextensions/v1.ts'
import { timestamp, withCondition } from '../../api/meta.ts'
import type { JsonObject } from '../../api/resource.ts'
import { isConflict, isNotFound } from '../../api/status.ts'
import { inTime, isAbort } from '../../base/abort.ts'
import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { loopbackRequest } from '../loopback.ts'
import type { LoopbackTarget } from '../loopback.ts'
import type { WatchCache } from '../cache/watchCache.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { Registry, Verb } from '../request.ts'
import { prefixOf } from '../cache/keys.ts'
import { CLEANUP_FINALIZER, isEstablished } from './definitions.ts'
import { planStatus } from './definitionStatus.ts'

/** How long the end of a definition's objects is waited for before that is told. */
const INSTANCES_TIMEOUT_MS = 60_000
const RETRY_BACKOFF = { baseMs: 50, maxMs: 10_000 }

export interface DefinitionControllerOptions {
  registry: Registry
  cache: WatchCache
  /** CustomResourceDefinition's own resource. */
  resource: CatalogResource
  /** All definitions, as they are now. */
  definitions: ReadonlyMap<string, CustomResourceDefinition>
  /** What is served of a definition, to delete it by. */
  servedOf(name: string): CatalogResource | undefined
  clock: Clock
  log: Logger
  signal: AbortSignal
}

interface Work {
  again: boolean
  done: Promise<void>
}

export class DefinitionController {
  readonly #options: DefinitionControllerOptions
  readonly #working = new Map<string, Work>()

  constructor(options: DefinitionControllerOptions) {
    this.#options = options
  }

  /** Something about the definition, or about one that it shares its group with, has changed. */
  enqueue(name: string): void {
    const busy = this.#working.get(name)
    if (busy) {
      busy.again = true
      return
    }
    const work: Work = { again: false, done: Promise.resolve() }
    this.#working.set(name, work)
    work.done = this.#work(name, work).finally(() => this.#working.delete(name))
  }

  async settled(): Promise<void> {
    await Promise.all([...this.#working.values()].map(({ done }) => done))
  }

  async #work(name: string, work: Work): Promise<void> {
    const { clock, log, signal } = this.#options
    const backoff = new Backoff(RETRY_BACKOFF)
    do {
      work.again = false
      try {
        await this.#sync(name)
        backoff.reset()
      } catch (error) {
        if (signal.aborted || isAbort(error)) return
        if (isNotFound(error)) continue
        if (!isConflict(error)) log.warn('a custom resource definition could not be brought up to date', { name, error: String(error) })
        work.again = true
        await clock.sleep(backoff.next(), signal).catch(() => {})
      }
    } while (work.again && !signal.aborted)
  }

  async #sync(name: string): Promise<void> {
    const { definitions, clock } = this.#options
    const definition = definitions.get(name)
    if (!definition) return
    const { metadata, spec } = definition
    if (metadata.deletionTimestamp !== undefined) {
      if (metadata.finalizers?.includes(CLEANUP_FINALIZER)) await this.#finalize(definition)
      return
    }
    const others = [...definitions.values()].filter((other) => other.spec.group === spec.group && other.metadata.name !== name)
    const status = planStatus(definition, others, timestamp(clock.now()))
    if (status) await this.#write(definition, status)
  }

  async #finalize(definition: CustomResourceDefinition): Promise<void> {
    const { clock } = this.#options
    const terminating = (current: CustomResourceDefinition, status: string, reason: string, message: string) => ({
      ...current.status,
      conditions: [...withCondition(current.status?.conditions, { type: 'Terminating', status, reason, message }, timestamp(clock.now()))],
    })
    const started = terminating(definition, 'True', 'InstanceDeletionInProgress', 'CustomResource deletion is in progress')
    const current = await this.#write(definition, started)
    let ended = terminating(current, 'False', 'NeverEstablished', 'resource was never established')
    if (isEstablished(current)) {
      try {
        await this.#deleteInstances(current.metadata.name)
        ended = terminating(current, 'False', 'InstanceDeletionCompleted', 'removed all instances')
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        const [reason, text] =
          error instanceof InstancesRemainError
            ? ['InstanceDeletionCheck', `could not confirm zero CustomResources remaining: ${message}`]
            : ['InstanceDeletionFailed', `could not issue all deletes: ${message}`]
        await this.#write(current, terminating(current, 'True', reason, text))
        throw error
      }
    }
    const finalizers = current.metadata.finalizers?.filter((finalizer) => finalizer !== CLEANUP_FINALIZER) ?? []
    await this.#write({ ...current, metadata: { ...current.metadata, finalizers } }, ended)
  }

  async #deleteInstances(name: string): Promise<void> {
    const { servedOf, cache, clock, signal } = this.#options
    const resource = servedOf(name)
    if (!resource) return
    const prefix = prefixOf(resource, true)
    const instances = cache.resource(prefix)
    const namespaces = new Set([...instances.values()].map(({ object }) => object.metadata.namespace ?? ''))
    for (const namespace of namespaces) await this.#request('deletecollection', resource, { namespace })
    if (instances.size === 0) return
    const gone = Promise.withResolvers<void>()
    const stop = cache.onChange(prefix, () => {
      if (instances.size === 0) gone.resolve()
    })
    try {
      const late = (): Error => new InstancesRemainError(`${instances.size} are left`)
      await inTime(gone.promise, { clock, timeoutMs: INSTANCES_TIMEOUT_MS, signal, late })
    } finally {
      stop()
    }
  }

  async #write(definition: CustomResourceDefinition, status: CustomResourceDefinitionStatus): Promise<CustomResourceDefinition> {
    const { resource } = this.#options
    const body = { ...definition, status } as unknown as JsonObject
    const result = await this.#request('update', resource, { name: definition.metadata.name, subresource: 'status', body })
    return result as CustomResourceDefinition
  }

  async #request(verb: Verb, resource: CatalogResource, at: LoopbackTarget): Promise<unknown> {
    const result = await this.#options.registry.handle(loopbackRequest(verb, resource, at, this.#options.signal))
    return result.type === 'object' ? result.object : undefined
  }
}

class InstancesRemainError extends Error {
  override readonly name = 'InstancesRemainError'
}

export const DEFINITIONS_PREFIX = prefixOf(customresourcedefinitions, false)
