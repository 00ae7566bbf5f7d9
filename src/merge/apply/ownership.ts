/** Who owns what after a change: the step that updates and applies share (structured-merge-diff's merge.Updater). */
import { isObject, type JsonObject } from '../jsonValue.ts'
import { compare, type Comparison } from './compare.ts'
import { difference, differenceWithBelow, EMPTY, type FieldSet, fieldSetOfPaths, intersection, isEmpty } from './fieldSet.ts'
import { type Managers, setFields } from './managedFields.ts'
import { fitToSchema } from './schemaChanges.ts'
import { showAt, shownNow, type VersionContext } from './versions.ts'

export interface OwnershipContext extends VersionContext {
  /** Fields that this endpoint's strategy resets, so that nobody comes to own them through it. */
  resetFields?: FieldSet | undefined
}

/** Fields that the system sets: nobody ever owns them. */
const NEVER_OWNED = fieldSetOfPaths([
  ['apiVersion'],
  ['kind'],
  ['metadata'],
  ...['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'clusterName', 'generation', 'managedFields', 'resourceVersion'].map(
    (name) => ['metadata', name],
  ),
])

export function withoutNeverOwned(fields: FieldSet): FieldSet {
  return difference(fields, NEVER_OWNED)
}

export function withoutReset(fields: FieldSet, { resetFields = EMPTY }: OwnershipContext): FieldSet {
  return differenceWithBelow(fields, resetFields)
}

export function withoutManagedFields(object: JsonObject): JsonObject {
  const { metadata } = object
  if (!isObject(metadata) || metadata['managedFields'] === undefined) return object
  const { managedFields: _, ...rest } = metadata
  return { ...object, metadata: rest }
}

/** Brings stored sets into line with what their types look like today. */
export function fitManagers(managers: Managers, live: JsonObject, context: OwnershipContext): void {
  for (const [key, managed] of managers) {
    const shown = showAt(shownNow(live, context), managed.id.apiVersion, context)
    const fields = shown ? fitToSchema(managed.fields, shown.type) : managed.fields
    if (fields !== managed.fields) setFields(managers, key, { ...managed, fields })
  }
}

/** Differences as each API version shows them, computed once a version. */
function comparisons(before: JsonObject, after: JsonObject, context: OwnershipContext): (apiVersion: string) => Comparison | undefined {
  const known = new Map<string, Comparison | undefined>()
  const compareAt = (apiVersion: string): Comparison | undefined => {
    const old = showAt(shownNow(before, context), apiVersion, context, 'failed to convert old object: ')
    const next = showAt(shownNow(after, context), apiVersion, context, 'failed to convert new object: ')
    if (!old || !next) return undefined
    const { changed, removed } = compare(old.object, next.object, next.type)
    return { changed: withoutReset(changed, context), removed: withoutReset(removed, context) }
  }
  return (apiVersion) => {
    if (!known.has(apiVersion)) known.set(apiVersion, compareAt(apiVersion))
    return known.get(apiVersion)
  }
}

export interface Ownership {
  /** What changed, as the context's version shows it. */
  comparison: Comparison
  /** What other managers own and this change sets, by manager key. */
  conflicts: ReadonlyMap<string, FieldSet>
  /** Takes from the managers what this change sets or removes; the one that sets it, `keeper`, loses only the latter. */
  settle(keeper?: string): void
}

/** `self`: the key of the manager that makes the change. */
export function ownershipAfter(
  before: JsonObject,
  after: JsonObject,
  managers: Managers,
  self: string,
  context: OwnershipContext,
): Ownership {
  const comparisonOf = comparisons(before, after, context)
  const conflicts = new Map<string, FieldSet>()
  const losses = new Map<string, Comparison>()
  for (const [key, { id, fields }] of managers) {
    if (key === self) continue
    const comparison = comparisonOf(id.apiVersion)
    if (!comparison) {
      managers.delete(key)
      continue
    }
    losses.set(key, comparison)
    const conflict = intersection(fields, comparison.changed)
    if (!isEmpty(conflict)) conflicts.set(key, conflict)
  }
  const settle = (keeper?: string): void => {
    for (const [key, { changed, removed }] of losses) {
      const managed = managers.get(key)
      if (!managed) continue
      const kept = key === keeper ? managed.fields : difference(managed.fields, changed)
      const fields = difference(kept, removed)
      if (fields !== managed.fields) setFields(managers, key, { ...managed, fields })
    }
  }
  return { comparison: comparisonOf(context.apiVersion) as Comparison, conflicts, settle }
}
