/**
 * Addresses and ports of Services where several API servers share a store: each new one is claimed there, under a key of its
 * own, before the Service is written, so that the store decides between servers whose caches know nothing of each other yet.
 * A server alone needs none of this: its pool knows what is on the way.
 */
import { KeyExistsError, RevisionMismatchError, type Store } from '../../../storage/store.ts'
import { services as serviceResource } from '../../../api/kinds/core/v1.ts'
import { keysOf } from './holdings.ts'
import { prefixOf } from '../../cache/keys.ts'
import type { Service } from '../../../api/kinds/core/v1.ts'
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { WatchCache } from '../../cache/watchCache.ts'

const ROOT = '/registry/ranges/services/'
/** A claim whose Service has not come by then was left by a server that died. */
const ABANDONED_MS = 60_000

interface Claim {
  kind: 'RangeAllocation'
  apiVersion: 'v1'
  metadata: { name: string; namespace: string; creationTimestamp: string }
  range: string
}

/** Another server has taken it meanwhile. */
export class ClaimTakenError extends Error {
  override readonly name = 'ClaimTakenError'
}

export interface ServiceClaimsOptions {
  store: Store
  cache: WatchCache
  clock: Clock
  log: Logger
}

export class ServiceClaims {
  readonly #options: ServiceClaimsOptions

  constructor(options: ServiceClaimsOptions) {
    this.#options = options
  }

  /** Claims what `next` holds and `old` did not; the result gives it back. */
  async claim(next: Service, old: Service | undefined): Promise<() => Promise<void>> {
    const had = new Set(keysOf(old))
    const taken: { key: string; revision: number }[] = []
    const release = async (): Promise<void> => {
      for (const { key, revision } of taken) await this.#delete(key, revision)
    }
    try {
      for (const name of keysOf(next)) if (!had.has(name)) taken.push(await this.#take(name, next))
    } catch (error) {
      await release()
      throw error
    }
    return release
  }

  async #take(name: string, { metadata }: Service): Promise<{ key: string; revision: number }> {
    const { store, clock } = this.#options
    const key = ROOT + name
    const claim: Claim = {
      kind: 'RangeAllocation',
      apiVersion: 'v1',
      metadata: { name: metadata.name, namespace: metadata.namespace ?? '', creationTimestamp: new Date(clock.now()).toISOString() },
      range: name,
    }
    const bytes = Buffer.from(JSON.stringify(claim))
    try {
      return { key, revision: (await store.create(key, bytes)).modRevision }
    } catch (error) {
      if (!(error instanceof KeyExistsError)) throw error
    }
    const entry = await store.get(key)
    if (entry && !this.#mayTake(JSON.parse(Buffer.from(entry.value).toString()) as Claim, claim))
      throw new ClaimTakenError(`${name} is taken`)
    try {
      const { modRevision } = await (entry ? store.update(key, bytes, entry.modRevision) : store.create(key, bytes))
      return { key, revision: modRevision }
    } catch (error) {
      if (error instanceof KeyExistsError || error instanceof RevisionMismatchError)
        throw new ClaimTakenError(`${name} is taken`, { cause: error })
      throw error
    }
  }

  /** A Service of the same name that was deleted, or one that never came. */
  #mayTake({ metadata, range }: Claim, next: Claim): boolean {
    const { cache, clock } = this.#options
    if (metadata.name === next.metadata.name && metadata.namespace === next.metadata.namespace) return true
    const prefix = prefixOf(serviceResource, false)
    const holder = cache.resource(prefix).get(`${prefix}${metadata.namespace}/${metadata.name}`)?.object as Service | undefined
    return !keysOf(holder).includes(range) && clock.now() - Date.parse(metadata.creationTimestamp) > ABANDONED_MS
  }

  async #delete(key: string, revision: number): Promise<void> {
    const { store, log } = this.#options
    await store.delete(key, revision).catch((error: unknown) => {
      if (!(error instanceof RevisionMismatchError)) log.warn('the claim of a Service was not given back', { key, error: String(error) })
    })
  }

  /** Gives back what Services that change or go no longer hold, until the result is called. */
  follow(): () => Promise<void> {
    const { store, cache, log } = this.#options
    const releasing = new Set<Promise<void>>()
    const release = async (name: string, { metadata }: Service): Promise<void> => {
      const entry = await store.get(ROOT + name)
      if (!entry) return
      const claim = JSON.parse(Buffer.from(entry.value).toString()) as Claim
      const ours = claim.metadata.name === metadata.name && claim.metadata.namespace === (metadata.namespace ?? '')
      if (ours) await this.#delete(ROOT + name, entry.modRevision)
    }
    const stop = cache.onChange(prefixOf(serviceResource, false), ({ before, after }) => {
      if (!before) return
      const has = new Set(keysOf(after as Service | undefined))
      for (const name of keysOf(before as Service)) {
        if (has.has(name)) continue
        const work = release(name, before as Service)
          .catch((error: unknown) => log.warn('the claim of a Service was not given back', { name, error: String(error) }))
          .finally(() => releasing.delete(work))
        releasing.add(work)
      }
    })
    return async () => {
      stop()
      await Promise.all(releasing)
    }
  }
}
