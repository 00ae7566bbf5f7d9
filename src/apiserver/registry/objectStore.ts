/**
 * The generic store of all kinds (k8s.io/apiserver/pkg/registry/generic/registry): what create, update and delete do
 * whatever the kind is. Reads come from the watch cache, writes go to the store and are waited for in the cache.
 */
import { newAlreadyExists, newInternalError, newInvalid, newNotFound, newStatusError } from '../../api/status.ts'
import { hidesEmptyOnes } from '../../api/codec/goShape.ts'
import { RevisionMismatchError } from '../../storage/store.ts'
import { invalid } from '../../api/validation/fieldErrors.ts'
import { isPathSegmentName } from '../../api/validation/names.ts'
import { validateFinalizerDomains, validateObjectMeta, validateObjectMetaUpdate } from '../../api/validation/objectMeta.ts'
import { StoredObject, encodeForStore } from '../cache/storedObject.ts'
import { checkPreconditions, isDeletable, planDeletion } from './deletion.ts'
import { deepEqual, timestamp } from '../../api/meta.ts'
import { cloneJson, semanticEqual } from './jsonValues.ts'
import { keyFor } from './kind.ts'
import { ClaimTakenError, type ServiceClaims } from './services/claims.ts'
import type { Service } from '../../api/kinds/core/v1.ts'
import { generateName } from '../../api/names.ts'
import { fillForCreate, keepOnUpdate } from './objectMeta.ts'
import { parseRevision } from './continueToken.ts'
import { sentRevision } from './options.ts'
import { asRead, normalizeObject } from './schema.ts'
import { newModified, newUnmet, otherUid, translateStorageError } from './storageErrors.ts'
import type { ManagedFieldsEntry, ObjectMeta } from '../../api/kinds/meta/v1.ts'
import type { FieldError } from '../../api/status.ts'
import type { MetaRules } from '../../api/validation/objectMeta.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { Clock } from '../../base/clock.ts'
import type { Store } from '../../storage/store.ts'
import type { WatchCache } from '../cache/watchCache.ts'
import type { StoredKind } from './kind.ts'
import type { DeleteOptions } from './options.ts'
import type { Fields, StrategyContext } from './strategy.ts'

/** Tries of a write that asked for no particular resourceVersion and found another one in between. */
const CONFLICT_RETRIES = 20
/** Tries to find an address or a port that no other server has claimed. */
const CLAIM_RETRIES = 10
const CLAIM_RETRY_INTERVAL_MS = 50
/** Tries to find a free name for generateName. */
const NAME_RETRIES = 8
/** What every update keeps, whatever the kind's own rules are. */
const COMMON_RULES = { validateName: isPathSegmentName, anyFinalizers: true } as const

function metaRules({ storage: { namespaced }, strategy: { validateName, anyFinalizers }, custom }: StoredKind): MetaRules {
  return { namespaced, anyFinalizers: Boolean(anyFinalizers || custom), ...(validateName && { validateName }) }
}

/** Whether managers differ in nothing but when they changed something. */
function differsInTimes(next: ManagedFieldsEntry[] | undefined, old: ManagedFieldsEntry[] | undefined): boolean {
  if (!next || !old || next.length !== old.length) return false
  const timeless = (entry: ManagedFieldsEntry | undefined): object => ({ ...entry, time: undefined })
  return next.some(({ time }, i) => time !== old[i]?.time) && next.every((entry, i) => deepEqual(timeless(entry), timeless(old[i])))
}

export interface ObjectStoreOptions {
  store: Store
  cache: WatchCache
  clock: Clock
  /** Where several servers share the store. */
  claims?: ServiceClaims
}

/** Which part of an object a write is about. */
export type Part = 'main' | 'status' | 'other'

export interface UpdateSteps {
  namespace: string
  name: string
  part: Part
  /** The object as it should be, made from the newest one (undefined: it would be created). Called again after a conflict. */
  change(old: StoredObject | undefined): Promise<KubeObject>
  /** Validating admission. */
  approve(next: KubeObject, old: KubeObject | undefined): Promise<void>
  /** Whether another write in between is met with a fresh try even though the object names a resourceVersion. */
  retryConflicts: boolean
  /** For subresources with rules of their own: instead of the strategy's. */
  validate?(next: KubeObject, old: KubeObject): FieldError[]
  preconditions?: DeleteOptions['preconditions']
}

export interface WriteResult {
  stored: StoredObject
  created: boolean
}

export class ObjectStore {
  readonly #store: Store
  readonly #cache: WatchCache
  readonly #clock: Clock
  readonly #claims: ServiceClaims | undefined

  constructor(options: ObjectStoreOptions) {
    this.#store = options.store
    this.#cache = options.cache
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
    const fields = object as unknown as Fields
    if (strategy.initialStatus !== 'keep') {
      if (strategy.initialStatus) fields['status'] = strategy.initialStatus(object)
      else if (kind.custom) {
        if (kind.hasStatus) delete fields['status']
      } else if (kind.hasStatus) fields['status'] = {}
    }
    strategy.prepareForCreate?.(object, context)
    const giveBack = strategy.reserve?.(object, undefined, context)
    if (!kind.custom) object = normalizeObject(kind.storage, object)
    // Rules look at the name even where it is missing, which is for them to find.
    object.metadata.name ??= ''
    let release: (() => Promise<void>) | undefined
    try {
      this.#validateNew(kind, object, context)
      context.warnings.push(...(strategy.warningsOnCreate?.(object) ?? []))
      await approve(object)
      const { name, namespace = '' } = object.metadata
      const key = keyFor(kind, namespace, name)
      if (context.dryRun) {
        if (this.find(kind, namespace, name)) throw newAlreadyExists(kind.storage, name)
        giveBack?.()
        return new StoredObject(key, 0, object)
      }
      release = giveBack && (await this.#claims?.claim(object as Service, undefined))
      return await this.#write(kind, key, object, (bytes) => this.#store.create(key, bytes))
    } catch (error) {
      giveBack?.()
      await release?.()
      if (error instanceof ClaimTakenError) throw error
      throw this.#refineExists(kind, object, error)
    }
  }

  #refineExists(kind: StoredKind, object: KubeObject, error: unknown): unknown {
    const refusal = translateStorageError(error, kind.storage, object.metadata.name)
    if ((refusal as { reason?: string }).reason !== 'AlreadyExists') return refusal
    const existing = this.find(kind, object.metadata.namespace ?? '', object.metadata.name)
    if (!existing?.object.metadata.deletionTimestamp) return refusal
    const { message, details } = newAlreadyExists(kind.storage, object.metadata.name).status
    return newStatusError(409, 'AlreadyExists', `object is being deleted: ${message}`, details)
  }

  /** The error is of the kind that the object says it is. */
  #checkKind(kind: StoredKind, object: KubeObject): void {
    const errors = kind.strategy.checksKindFirst?.(object) ?? []
    const { apiVersion = '' } = object
    const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
    if (errors.length > 0) throw newInvalid({ group, kind: object.kind ?? '' }, object.metadata.name ?? '', errors)
  }

  #validateNew(kind: StoredKind, object: KubeObject, context: StrategyContext): void {
    this.#checkKind(kind, object)
    const errors = [...this.#validateMeta(kind, object.metadata), ...(kind.strategy.validateCreate?.(object, context) ?? [])]
    if (errors.length > 0) throw newInvalid(kind.storage, object.metadata.name ?? '', errors)
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
    const bytes = encodeForStore(stored)
    this.#cache.remember(bytes, stored)
    const { modRevision } = await send(bytes)
    await this.#cache.observed(modRevision)
    const current = this.#cache.resource(kind.prefix).get(key)
    if (current?.revision === modRevision) {
      await kind.versions?.prepare([current])
      return kind.versions?.view(current) ?? current
    }
    const metadata = { ...object.metadata, resourceVersion: String(modRevision) }
    return new StoredObject(key, modRevision, { ...object, metadata }, stored === object ? bytes : undefined)
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
        if (uid) throw newUnmet(kind.storage, steps.name, keyFor(kind, steps.namespace, steps.name), otherUid(uid, ''))
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
        if ((conditional && error.current) || tries >= CONFLICT_RETRIES) throw newModified(kind.storage, steps.name)
      }
    }
  }

  #checkIdentity(kind: StoredKind, steps: UpdateSteps, next: KubeObject, old: StoredObject, dryRun: boolean): void {
    const { uid, resourceVersion } = next.metadata
    if (steps.part === 'other') return
    if (uid && uid !== old.object.metadata.uid && steps.preconditions === undefined && !steps.retryConflicts) {
      // Only what goes as far as the store shows where it keeps its objects.
      const key = dryRun ? old.key.replace(/^\/registry(?=\/)/, '') : old.key
      throw newUnmet(kind.storage, steps.name, key, otherUid(uid, old.object.metadata.uid))
    }
    const revision = sentRevision(resourceVersion)
    if (revision === 0) {
      if (kind.strategy.allowUnconditionalUpdate === false || kind.custom) {
        // Upstream names the resource here, not the kind.
        throw newInvalid({ group: kind.storage.group, kind: kind.storage.resource }, steps.name, [
          invalid('metadata.resourceVersion', 0, 'must be specified for an update'),
        ])
      }
    } else if (revision !== old.revision) throw newModified(kind.storage, steps.name)
  }

  async #updateOnce(
    kind: StoredKind,
    steps: UpdateSteps,
    context: StrategyContext,
    changed: KubeObject,
    old: StoredObject,
  ): Promise<StoredObject> {
    this.#checkIdentity(kind, steps, changed, old, context.dryRun)
    const { strategy } = kind
    const sent = strategy.generationCountsDropped && steps.part === 'main' ? normalizeObject(kind.storage, changed) : undefined
    this.#prepare(kind, steps, changed, old.object, context)
    const giveBack = strategy.reserve && steps.part === 'main' ? strategy.reserve(changed, old.object, context) : undefined
    const next = kind.custom ? changed : normalizeObject(kind.storage, changed)
    if (steps.part === 'main') strategy.settleUpdate?.(next, old.object)
    if (steps.part === 'main' && (strategy.managesGeneration === true || kind.custom))
      this.#countGeneration(kind, next, sent ?? next, old.object)
    let release: (() => Promise<void>) | undefined
    try {
      this.#validateChange(kind, steps, next, old.object, context)
      if (steps.part === 'main') context.warnings.push(...(strategy.warningsOnUpdate?.(next, old.object) ?? []))
      if (steps.part === 'status') context.warnings.push(...(strategy.warningsOnStatusUpdate?.(next, old.object) ?? []))
      // An update that names no version is one of the stored version from here on.
      next.metadata.resourceVersion ??= String(old.revision)
      await steps.approve(next, old.object)
      if (giveBack && !context.dryRun) release = await this.#claims?.claim(next as Service, old.object as Service)
      return await this.#commit(kind, next, old, context)
    } catch (error) {
      giveBack?.()
      await release?.()
      if (error instanceof ClaimTakenError) throw newInternalError(`failed to allocate: ${error.message}`)
      throw error instanceof RevisionMismatchError ? error : translateStorageError(error, kind.storage, steps.name)
    }
  }

  /** What belongs to another part of the object is taken from the old one; the generation counts the rest. */
  #prepare(kind: StoredKind, steps: UpdateSteps, next: KubeObject, old: KubeObject, context: StrategyContext): void {
    const { generation } = next.metadata
    keepOnUpdate(next, old)
    const { strategy } = kind
    if (steps.part === 'other') {
      // Subresources with rules of their own count for themselves.
      if (generation !== undefined) next.metadata.generation = generation
      return
    }
    const fields = next as unknown as Fields
    const oldFields = old as unknown as Fields
    if (steps.part === 'status') {
      for (const field of new Set([...Object.keys(fields), ...Object.keys(oldFields)])) {
        if (field === 'status' || field === 'metadata') continue
        if (oldFields[field] === undefined) delete fields[field]
        else fields[field] = oldFields[field]
      }
      if (!strategy.statusKeepsMetadata) {
        const { managedFields, generateName } = next.metadata
        next.metadata = { ...cloneJson(old.metadata), ...(managedFields && { managedFields }) }
        if (generateName === undefined) delete next.metadata.generateName
        else next.metadata.generateName = generateName
      }
      strategy.prepareForStatusUpdate?.(next, old, context)
      return
    }
    if (kind.hasStatus) {
      if (oldFields['status'] === undefined) delete fields['status']
      else fields['status'] = oldFields['status']
    }
    strategy.prepareForUpdate?.(next, old, context)
  }

  /** `sent` is what counts of the next object. */
  #countGeneration(kind: StoredKind, next: KubeObject, sent: KubeObject, old: KubeObject): void {
    // Both are in Go's shape, where an empty struct that is pointed to is not the same as none.
    const { metadata: meta, status: _, ...rest } = sent as unknown as Fields & KubeObject
    const { metadata: oldMeta, status: __, ...oldRest } = old as unknown as Fields & KubeObject
    const changed =
      !deepEqual(rest, oldRest) ||
      (kind.strategy.generationCountsEmpty && hidesEmptyOnes(rest)) ||
      (kind.custom && !kind.hasStatus && !deepEqual((sent as unknown as Fields)['status'], (old as unknown as Fields)['status']))
    const counts = kind.strategy.generationCounts ?? []
    if (changed || counts.some((member) => !semanticEqual(meta[member], oldMeta[member])))
      next.metadata.generation = (oldMeta.generation ?? 0) + 1
  }

  #validateChange(kind: StoredKind, steps: UpdateSteps, next: KubeObject, old: KubeObject, context: StrategyContext): void {
    const { strategy } = kind
    this.#checkKind(kind, next)
    const { metadata } = next
    const errors = validateObjectMeta(metadata, { ...COMMON_RULES, namespaced: kind.storage.namespaced })
    errors.push(...validateObjectMetaUpdate(metadata, old.metadata))
    errors.push(...this.#checkMetaAgain(kind, steps.part, metadata, old.metadata))
    if (steps.validate) errors.push(...steps.validate(next, old))
    else if (steps.part === 'status') errors.push(...(strategy.validateStatusUpdate?.(next, old, context) ?? []))
    else if (steps.part === 'main') errors.push(...(strategy.validateUpdate?.(next, old, context) ?? []))
    if (errors.length > 0) throw newInvalid(kind.storage, steps.name, errors)
  }

  #validateMeta(kind: StoredKind, metadata: ObjectMeta): FieldError[] {
    const { generateName, ...named } = metadata
    return validateObjectMeta(kind.strategy.checksOnlyName && generateName ? named : metadata, metaRules(kind))
  }

  /** Rules of a kind that look at metadata find what the server has found before them once more, as upstream tells it. */
  #checkMetaAgain(kind: StoredKind, part: Part, next: ObjectMeta, old: ObjectMeta): FieldError[] {
    const { metaChecks = ['change'], anyFinalizers, checksMetaOfParts } = kind.strategy
    const checks = part === 'main' || checksMetaOfParts || !metaChecks.includes('change') ? metaChecks : (['change'] as const)
    return checks.flatMap((check) => {
      if (check === 'new') return this.#validateMeta(kind, next)
      return [...validateObjectMetaUpdate(next, old), ...(anyFinalizers || kind.custom ? [] : validateFinalizerDomains(next))]
    })
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

  async #existing(kind: StoredKind, { namespace, name }: { namespace: string; name: string }): Promise<StoredObject> {
    const old = kind.versions ? await this.load(kind, namespace, name) : this.find(kind, namespace, name)
    if (!old) throw newNotFound(kind.storage, name)
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
      const old = await this.#existing(kind, at)
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
        if (!(error instanceof RevisionMismatchError)) throw translateStorageError(error, kind.storage, at.name)
        await this.#cache.observed(error.current?.modRevision ?? (await this.#store.revision()))
        if (tries >= CONFLICT_RETRIES) throw newModified(kind.storage, at.name)
      }
    }
  }

  now(): string {
    return timestamp(this.#clock.now())
  }
}
