/** What the server checks of every object, whatever its kind is, beside the kind's own rules: name, metadata, what an update may replace. */
import { newInvalid } from '../../api/status.ts'
import { invalid, invalidAll } from '../../api/validation/fieldErrors.ts'
import { isPathSegmentName } from '../../api/validation/names.ts'
import { validateFinalizerDomains, validateObjectMeta, validateObjectMetaUpdate } from '../../api/validation/objectMeta.ts'
import { sentRevision } from './options.ts'
import { newModified, newUnmet, otherUid } from './storageErrors.ts'
import type { ObjectMeta } from '../../api/kinds/meta/v1.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { FieldError } from '../../api/status.ts'
import type { MetaRules } from '../../api/validation/objectMeta.ts'
import type { StoredObject } from '../cache/storedObject.ts'
import { askedResource } from './kind.ts'
import type { StoredKind } from './kind.ts'
import type { DeleteOptions } from './options.ts'
import type { Part } from './objectChanges.ts'
import type { StrategyContext, UpdateCheck } from './strategy.ts'

/** What every update keeps, whatever the kind's own rules are. */
const COMMON_RULES = { validateName: isPathSegmentName, anyFinalizers: true } as const

function metaRules({ storage: { namespaced }, strategy: { validateName, anyFinalizers }, custom }: StoredKind): MetaRules {
  return { namespaced, anyFinalizers: Boolean(anyFinalizers || custom), ...(validateName && { validateName }) }
}

/** The change of an object, as far as the checks look at it. */
export interface CheckedChange {
  /** Of the object before admission ('': none); unless given, the new object's. */
  sentUid?: string
  name: string
  part: Part
  /** Whether another write in between is met with a fresh try even though the object names a resourceVersion. */
  retryConflicts: boolean
  /** For subresources with rules of their own: instead of the strategy's. */
  validate?(next: KubeObject, old: KubeObject): FieldError[]
  preconditions?: DeleteOptions['preconditions']
}

/** The error is of the kind that the object says it is. */
function checkKind(kind: StoredKind, object: KubeObject): void {
  const errors = kind.strategy.checksKindFirst?.(object) ?? []
  const { apiVersion = '' } = object
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
  if (errors.length > 0) throw newInvalid({ group, kind: object.kind ?? '' }, object.metadata.name ?? '', errors)
}

/** Throws Invalid with everything that is wrong. */
export function validateNew(kind: StoredKind, object: KubeObject, context: StrategyContext): void {
  checkKind(kind, object)
  const own = kind.strategy.validateCreate?.(object, context) ?? []
  // Rules that leave metadata alone have their say first, and alone.
  const leavesMetadata = kind.strategy.updateChecks?.length === 0
  const errors = leavesMetadata && own.length > 0 ? own : [...validateMeta(kind, object.metadata, leavesMetadata), ...own]
  // A prefix that the kind's own rules leave alone has to keep what holds of all names.
  const { name = '', generateName = '' } = object.metadata
  if (errors.length === 0) errors.push(...invalidAll('metadata.generateName', generateName, isPathSegmentName(generateName, true)))
  if (errors.length > 0) throw newInvalid(kind.storage, name, errors)
}

/** Throws where the change is of another object, or of an older state of it. */
export function checkIdentity(
  kind: StoredKind,
  { name, part, ...steps }: CheckedChange,
  next: KubeObject,
  old: StoredObject,
  context: StrategyContext,
): void {
  const { resourceVersion } = next.metadata
  // What the server itself changes names nothing.
  if (part === 'other' && steps.sentUid === undefined) return
  const uid = steps.sentUid ?? next.metadata.uid
  if (uid && uid !== old.object.metadata.uid && steps.preconditions === undefined && !steps.retryConflicts) {
    // Only what goes as far as the store shows where it keeps its objects.
    const key = context.dryRun ? old.key.replace(/^\/registry(?=\/)/, '') : old.key
    throw newUnmet(askedResource(kind, context), name, key, otherUid(uid, old.object.metadata.uid))
  }
  const revision = sentRevision(resourceVersion)
  if (revision === 0) {
    if (kind.strategy.allowUnconditionalUpdate === false || kind.custom) {
      // Upstream names the resource here, not the kind.
      throw newInvalid({ group: kind.storage.group, kind: kind.storage.resource }, name, [
        invalid('metadata.resourceVersion', 0, 'must be specified for an update'),
      ])
    }
  } else if (revision !== old.revision) throw newModified(askedResource(kind, context), name)
}

/** Throws Invalid with everything that is wrong. */
export function validateChange(kind: StoredKind, change: CheckedChange, next: KubeObject, old: KubeObject, context: StrategyContext): void {
  const { strategy } = kind
  checkKind(kind, next)
  const { metadata } = next
  const errors = validateObjectMeta(metadata, { ...COMMON_RULES, namespaced: kind.storage.namespaced })
  errors.push(...validateObjectMetaUpdate(metadata, old.metadata))
  for (const check of checksOf(kind, change.part)) {
    if (check === 'new') errors.push(...validateMeta(kind, metadata))
    else if (check === 'change') errors.push(...checkMetaChange(kind, metadata, old.metadata))
    else if (check === 'changed') errors.push(...(strategy.validateChanged?.(next, old) ?? []))
    else if (change.validate) errors.push(...change.validate(next, old))
    else if (change.part === 'status') errors.push(...(strategy.validateStatusUpdate?.(next, old, context) ?? []))
    else if (change.part === 'main') errors.push(...(strategy.validateUpdate?.(next, old, context) ?? []))
  }
  // Mutating admission may have changed the name, which is for the errors to tell.
  if (errors.length > 0) throw newInvalid(kind.storage, metadata.name, errors)
}

/** `isCommon`: by what is common to all kinds alone. */
function validateMeta(kind: StoredKind, metadata: ObjectMeta, isCommon = false): FieldError[] {
  const { generateName, ...named } = metadata
  return validateObjectMeta(kind.strategy.checksOnlyName && generateName ? named : metadata, {
    ...metaRules(kind),
    ...(isCommon && COMMON_RULES),
  })
}

/** Rules of a kind that look at metadata find what the server has found before them once more, as upstream tells it. */
function checksOf({ strategy }: StoredKind, part: Part): readonly UpdateCheck[] {
  const { updateChecks = ['change'], checksMetaOfParts } = strategy
  if (part === 'main') return updateChecks.includes('own') ? updateChecks : [...updateChecks, 'own']
  const ofMeta = updateChecks.filter((check) => check === 'change' || check === 'new')
  return checksMetaOfParts || !ofMeta.includes('change') ? [...ofMeta, 'own'] : ['change', 'own']
}

function checkMetaChange({ strategy, custom }: StoredKind, next: ObjectMeta, old: ObjectMeta): FieldError[] {
  return [...validateObjectMetaUpdate(next, old), ...(strategy.anyFinalizers || custom ? [] : validateFinalizerDomains(next))]
}
