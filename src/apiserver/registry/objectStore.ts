/**
 * The generic store of all kinds (k8s.io/apiserver/pkg/registry/generic/registry): what create, update and delete do
 * whatever the kind is. Reads come from the watch cache, writes go to the store and are waited for in the cache.
 */
import { newAlreadyExists, newInternalError, newNotFound, newStatusError } from '../../api/status.ts'
import { RevisionMismatchError } from '../../storage/store.ts'
import { StoredObject } from '../cache/storedObject.ts'
import { checkPreconditions, isDeletable, planDeletion } from './deletion.ts'
import { deepEqual, timestamp } from '../../api/meta.ts'
import { cloneJson } from '../../api/jsonValues.ts'
import { askedResource, keyFor } from './kind.ts'
import { countGeneration, prepareNew, prepareUpdate } from './objectChanges.ts'
import { checkIdentity, validateChange, validateNew } from './objectChecks.ts'
import { ClaimTakenError, type ServiceClaims } from './services/claims.ts'
import type { Service } from '../../api/kinds/core/v1.ts'
import { generateName } from '../../api/names.ts'
import { fillForCreate } from './objectMeta.ts'
import { parseRevision } from './continueToken.ts'
import { asRead, normalizeObject } from './schema.ts'
import { newModified, newUnmet, otherUid, translateStorageError } from './storageErrors.ts'
import type { ManagedFieldsEntry } from '../../api/kinds/meta/v1.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { Clock } from '../../base/clock.ts'
import type { Store } from '../../storage/store.ts'
import type { StoredValues } from '../cache/storedValues.ts'
import type { WatchCache } from '../cache/watchCache.ts'
import type { StoredKind } from './kind.ts'
import type { CheckedChange } from './objectChecks.ts'
import type { DeleteOptions } from './options.ts'
import type { Fields, StrategyContext } from './strategy.ts'

/** Tries of a write that asked for no particular resourceVersion and found another one in between. */
const CONFLICT_RETRIES = 20
/** Tries to find an address or a port that no other server has claimed. */
const CLAIM_RETRIES = 10
const CLAIM_RETRY_INTERVAL_MS = 50
/** Tries to find a free name for generateName. */
const NAME_RETRIES = 8
/** Whether managers differ in nothing but when they changed something. */
function differsInTimes(next: ManagedFieldsEntry[] | undefined, old: ManagedFieldsEntry[] | undefined): boolean {
  if (!next || !old || next.length !== old.length) return false
  const timeless = (entry: ManagedFieldsEntry | undefined): object => ({ ...entry, time: undefined })
  return next.some(({ time }, i) => time !== old[i]?.time) && next.every((entry, i) => deepEqual(timeless(entry), timeless(old[i])))
}

export interface ObjectStoreOptions {
  store: Store
  cache: WatchCache
  values: StoredValues
  clock: Clock
  /** Where several servers share the store. */
  claims?: ServiceClaims
}

export interface UpdateSteps extends CheckedChange {
  namespace: string
  /** The object as it should be, made from the newest one (undefined: it would be created). Called again after a conflict. */
  change(old: StoredObject | undefined): Promise<KubeObject>
  /** Validating admission. */
  approve(next: KubeObject, old: KubeObject | undefined): Promise<void>
}

export interface WriteResult {
  stored: StoredObject
  created: boolean
}

export class ObjectStore {
  readonly #store: Store
  readonly #cache: WatchCache
  readonly #values: StoredValues
  readonly #clock: Clock
  readonly #claims: ServiceClaims | undefined

  constructor(options: ObjectStoreOptions) {
    this.#store = options.store
    this.#cache = options.cache
    this.#values = options.values
    this.#clock = options.clock
    this.#claims = options.claims
  }

  find(kind: StoredKind, namespace: string, name: string): StoredObject | undefined {
    return this.#cache.resource(kind.prefix).get(keyFor(kind, namespace, name))
  }

  /** The object as its kind's version shows it. */
  async load(kind: StoredKind, namespace: string, name: string): Promise<StoredObject | undefined> {
    const stored = this.find(kind, namespace, name)
    if (!stored || !kind.versions) return stored
    await kind.versions.prepare([stored])
    return kind.versions.view(stored)
  }

  get(kind: StoredKind, namespace: string, name: string): StoredObject {
    const stored = this.find(kind, namespace, name)
    if (!stored) throw newNotFound(kind.storage, name)
    return stored
  }

  /** `object` belongs to the call; it comes decoded, with defaults, through mutating admission. */
  async create(
    kind: StoredKind,
    object: KubeObject,
    context: StrategyContext,
    approve: (object: KubeObject) => Promise<void>,
  ): Promise<StoredObject> {
    const { metadata } = object
    const { resourceVersion } = metadata
    // Upstream's storage is what refuses it, after everybody else had their say.
    const approved = async (each: KubeObject): Promise<void> => {
      await approve(each)
      // One that is no number is none.
      if (context.dryRun || !parseRevision(resourceVersion ?? '')) return
      throw newStatusError(500, '', 'resourceVersion should not be set on objects to be created')
    }
    fillForCreate(object, kind, context.now)
    const generated = !metadata.name && metadata.generateName ? metadata.generateName : undefined
    const given = this.#claims && kind.strategy.reserve ? cloneJson((object as unknown as Fields)['spec']) : undefined
    for (let tries = 1; ; tries++) {
      if (generated) metadata.name = generateName(generated)
      try {
        return await this.#createOnce(kind, object, context, approved)
      } catch (error) {
        if (error instanceof ClaimTakenError) {
          if (tries >= CLAIM_RETRIES) throw newInternalError(`failed to allocate: ${error.message}`)
          await this.#clock.sleep(CLAIM_RETRY_INTERVAL_MS)
          ;(object as unknown as Fields)['spec'] = cloneJson(given)
          continue
        }
        const taken = generated && error instanceof Error && (error as { reason?: string }).reason === 'AlreadyExists'
        if (!taken || tries >= NAME_RETRIES) throw error
      }
    }
  }

  async #createOnce(
    kind: StoredKind,
    given: KubeObject,
    context: StrategyContext,
    approve: (object: KubeObject) => Promise<void>,
  ): Promise<StoredObject> {
    const { strategy } = kind
    let object = given
    prepareNew(kind, object, context)
    const giveBack = strategy.reserve?.(object, undefined, context)
    if (!kind.custom) object = normalizeObject(kind.storage, object)
    // Rules look at the name even where it is missing, which is for them to find.
    object.metadata.name ??= ''
    let release: (() => Promise<void>) | undefined
    try {
      validateNew(kind, object, context)
      context.warnings.push(...(strategy.warningsOnCreate?.(object) ?? []))
      await approve(object)
      const { name, namespace = '' } = object.metadata
      const key = keyFor(kind, namespace, name)
      if (context.dryRun) {
        if (this.find(kind, namespace, name)) throw newAlreadyExists(askedResource(kind, context), name)
        giveBack?.()
        return new StoredObject(key, 0, object)
      }
      release = giveBack && (await this.#claims?.claim(object as Service, undefined))
      return await this.#write(kind, key, object, (bytes) => this.#store.create(key, bytes))
    } catch (error) {
      giveBack?.()
      await release?.()
      if (error instanceof ClaimTakenError) throw error
      throw this.#refineExists(kind, object, context, error)
    }
  }

  #refineExists(kind: StoredKind, object: KubeObject, context: StrategyContext, error: unknown): unknown {
    const resource = askedResource(kind, context)
    const refusal = translateStorageError(error, resource, object.metadata.name)
    if ((refusal as { reason?: string }).reason !== 'AlreadyExists') return refusal
    const existing = this.find(kind, object.metadata.namespace ?? '', object.metadata.name)
    if (!existing?.object.metadata.deletionTimestamp) return refusal
    const { message, details } = newAlreadyExists(resource, object.metadata.name).status
    return newStatusError(409, 'AlreadyExists', `object is being deleted: ${message}`, details)
  }

  async #write(
    kind: StoredKind,
    key: string,
    approved: KubeObject,
    send: (bytes: Uint8Array) => Promise<{ modRevision: number }>,
  ): Promise<StoredObject> {
    const fields = approved as unknown as Fields
    fields['kind'] = kind.storage.kind
    fields['apiVersion'] = kind.storageApiVersion
    const object = kind.custom ? approved : asRead(kind.storage, approved, this.#clock.now())
    const stored = kind.versions ? await kind.versions.toStorage(object) : object
    const { bytes, plain } = this.#values.encode(key, stored)
    const { modRevision } = await send(bytes)
    await this.#cache.observed(modRevision)
    const current = this.#cache.resource(kind.prefix).get(key)
    if (current?.revision === modRevision) {
      await kind.versions?.prepare([current])
      return kind.versions?.view(current) ?? current
    }
    return StoredObject.at(key, modRevision, object, stored === object ? { bytes: plain } : {})
  }

  async update(
    kind: StoredKind,
    steps: UpdateSteps,
    context: StrategyContext,
    create: (object: KubeObject) => Promise<StoredObject>,
  ): Promise<WriteResult> {
    for (let tries = 1; ; tries++) {
      const old = kind.versions ? await this.load(kind, steps.namespace, steps.name) : this.find(kind, steps.namespace, steps.name)
      const next = await steps.change(old)
      if (!old) {
        const { uid } = next.metadata
        if (uid) throw newUnmet(askedResource(kind, context), steps.name, keyFor(kind, steps.namespace, steps.name), otherUid(uid, ''))
        return { stored: await create(next), created: true }
      }
      const conditional = Boolean(parseRevision(next.metadata.resourceVersion ?? '')) && !steps.retryConflicts
      try {
        return { stored: await this.#updateOnce(kind, steps, context, next, old), created: false }
      } catch (error) {
        if (!(error instanceof RevisionMismatchError)) throw error
        if (error.current) await this.#cache.observed(error.current.modRevision)
        else await this.#cache.observed(await this.#store.revision())
        // What was deleted meanwhile is not found the next time.
        if ((conditional && error.current) || tries >= CONFLICT_RETRIES) throw newModified(askedResource(kind, context), steps.name)
      }
    }
  }

  async #updateOnce(
    kind: StoredKind,
    steps: UpdateSteps,
    context: StrategyContext,
    changed: KubeObject,
    old: StoredObject,
  ): Promise<StoredObject> {
    checkIdentity(kind, steps, changed, old, context)
    const { strategy } = kind
    const sent = strategy.generationCountsDropped && steps.part === 'main' ? normalizeObject(kind.storage, changed) : undefined
    prepareUpdate(kind, steps.part, changed, old.object, context)
    const giveBack = strategy.reserve && steps.part === 'main' ? strategy.reserve(changed, old.object, context) : undefined
    const next = kind.custom ? changed : normalizeObject(kind.storage, changed)
    if (steps.part === 'main') strategy.settleUpdate?.(next, old.object)
    if (steps.part === 'main' && (strategy.managesGeneration === true || kind.custom)) countGeneration(kind, next, sent ?? next, old.object)
    let release: (() => Promise<void>) | undefined
    // An update that names no version is one of the stored version from here on.
    next.metadata.resourceVersion ||= String(old.revision)
    try {
      validateChange(kind, steps, next, old.object, context)
      if (steps.part === 'main') context.warnings.push(...(strategy.warningsOnUpdate?.(next, old.object) ?? []))
      if (steps.part === 'status') context.warnings.push(...(strategy.warningsOnStatusUpdate?.(next, old.object) ?? []))
      await steps.approve(next, old.object)
      if (giveBack && !context.dryRun) release = await this.#claims?.claim(next as Service, old.object as Service)
      return await this.#commit(kind, next, old, context)
    } catch (error) {
      giveBack?.()
      await release?.()
      if (error instanceof ClaimTakenError) throw newInternalError(`failed to allocate: ${error.message}`)
      throw error instanceof RevisionMismatchError ? error : translateStorageError(error, askedResource(kind, context), steps.name)
    }
  }

  async #commit(kind: StoredKind, next: KubeObject, old: StoredObject, context: StrategyContext): Promise<StoredObject> {
    delete (next.metadata as Partial<KubeObject['metadata']>).resourceVersion
    if (isDeletable(next, kind.strategy)) {
      const answered = new StoredObject(old.key, old.revision, {
        ...next,
        metadata: { ...next.metadata, resourceVersion: String(old.revision) },
      })
      if (!context.dryRun) await this.#remove(old)
      return answered
    }
    if (await this.#isStored(kind, next, old)) return old
    if (context.dryRun) {
      return new StoredObject(old.key, old.revision, { ...next, metadata: { ...next.metadata, resourceVersion: String(old.revision) } })
    }
    return this.#write(kind, old.key, next, (bytes) => this.#store.update(old.key, bytes, old.revision))
  }

  /** Whether the write would change nothing: what is stored, that is, which may look different in this version. */
  async #isStored(kind: StoredKind, next: KubeObject, old: StoredObject): Promise<boolean> {
    if (this.#cache.resource(kind.prefix).get(old.key)?.stale) return false
    const { resourceVersion: _, ...oldMeta } = old.object.metadata
    const { managedFields } = next.metadata
    const kept = differsInTimes(managedFields, oldMeta.managedFields) ? oldMeta.managedFields : managedFields
    if (!deepEqual({ ...next.metadata, managedFields: kept }, oldMeta)) return false
    if (!deepEqual(next, { ...old.object, metadata: next.metadata })) return false
    if (kept) next.metadata.managedFields = kept
    const { versions } = kind
    if (!versions) return true
    const { namespace = '', name } = next.metadata
    const stored = this.find(kind, namespace, name)
    if (stored?.revision !== old.revision) return false
    const { resourceVersion: __, ...metadata } = stored.object.metadata
    return deepEqual(await versions.toStorage(next), { ...stored.object, metadata })
  }

  async #remove(old: StoredObject): Promise<number> {
    const revision = await this.#store.delete(old.key, old.revision)
    await this.#cache.observed(revision)
    return revision
  }

  async #existing(
    kind: StoredKind,
    { namespace, name }: { namespace: string; name: string },
    context: StrategyContext,
  ): Promise<StoredObject> {
    const old = kind.versions ? await this.load(kind, namespace, name) : this.find(kind, namespace, name)
    if (!old) throw newNotFound(askedResource(kind, context), name)
    return old
  }

  /** Answers the object as it was or now is, and whether it is gone. `approve` is validating admission. */
  async delete(
    kind: StoredKind,
    at: { namespace: string; name: string },
    options: DeleteOptions,
    context: StrategyContext,
    approve: (old: KubeObject) => Promise<void>,
  ): Promise<{ object: KubeObject; stored?: StoredObject; gone: boolean }> {
    for (let tries = 1; ; tries++) {
      const old = await this.#existing(kind, at, context)
      if (kind.strategy.checkPreconditions) kind.strategy.checkPreconditions(old.object, options.preconditions)
      else checkPreconditions({ group: kind.storage.group, resource: kind.storage.kind }, old.object, options.preconditions)
      await approve(old.object)
      const plan = planDeletion(old.object, options, kind.strategy, this.#clock.now())
      try {
        switch (plan.type) {
          case 'leave':
            return { object: old.object, stored: old, gone: false }
          case 'remove': {
            if (context.dryRun) return { object: plan.object, gone: true }
            const last = plan.shows
              ? await this.#write(kind, old.key, plan.object, (bytes) => this.#store.update(old.key, bytes, old.revision))
              : old
            const revision = await this.#remove(last)
            return { object: { ...plan.object, metadata: { ...plan.object.metadata, resourceVersion: String(revision) } }, gone: true }
          }
          case 'mark': {
            kind.strategy.prepareForDeletion?.(plan.object, context)
            if (context.dryRun) return { object: plan.object, gone: false }
            const stored = await this.#write(kind, old.key, plan.object, (bytes) => this.#store.update(old.key, bytes, old.revision))
            return { object: stored.object, stored, gone: false }
          }
        }
      } catch (error) {
        if (!(error instanceof RevisionMismatchError)) throw translateStorageError(error, askedResource(kind, context), at.name)
        await this.#cache.observed(error.current?.modRevision ?? (await this.#store.revision()))
        if (tries >= CONFLICT_RETRIES) throw newModified(askedResource(kind, context), at.name)
      }
    }
  }

  now(): string {
    return timestamp(this.#clock.now())
  }
}
