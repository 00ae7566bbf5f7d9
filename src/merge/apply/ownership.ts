/** Who owns what after a change: the step that updates and applies share (structured-merge-diff's merge.Updater). */
import type { TypeDef } from '../../api/catalog/schema.ts'
import { isObject, type JsonObject } from '../jsonValue.ts'
import { compare, type Comparison } from './compare.ts'
import { difference, differenceWithBelow, EMPTY, type FieldSet, fieldSetOfPaths, intersection, isEmpty } from './fieldSet.ts'
import { type Managers, setFields } from './managedFields.ts'
import { fitToSchema } from './schemaChanges.ts'
import { validateTyped } from './validateTyped.ts'

/** An object as another API version shows it. */
export interface ObjectVersion {
  type: TypeDef
  convert(object: JsonObject): JsonObject
}

export interface OwnershipContext {
  /** The type of the objects at `apiVersion`. */
  schema: TypeDef
  apiVersion: string
  /** Fields that this endpoint's strategy resets, so that nobody comes to own them through it. */
  resetFields?: FieldSet | undefined
  /**
   * How managers at other API versions see the object; undefined for a version that is not there any more, whose managers
   * are dropped. Without it all versions are taken to look the same.
   */
  versionOf?: ((apiVersion: string) => ObjectVersion | undefined) | undefined
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
export function fitManagers(managers: Managers, { schema, apiVersion, versionOf }: OwnershipContext): void {
  for (const [key, managed] of managers) {
    const type = managed.id.apiVersion === apiVersion ? schema : versionOf?.(managed.id.apiVersion)?.type
    const fields = type ? fitToSchema(managed.fields, type) : managed.fields
    if (fields !== managed.fields) setFields(managers, key, { ...managed, fields })
  }
}

/** The object cannot be shown at a version that a manager knows it by. */
export class UnfitVersion extends Error {
  override readonly name = 'UnfitVersion'
}

/** Custom resources alone can have fields at one version that another does not declare. */
function shownAs({ convert, type }: ObjectVersion, object: JsonObject, which: 'old' | 'new'): JsonObject {
  const shown = convert(object)
  const fault = type.name === '' ? validateTyped(shown, type, { stored: true }) : undefined
  if (fault !== undefined) throw new UnfitVersion(`failed to convert ${which} object: ${fault}`)
  return shown
}

/** Differences as each API version shows them, computed once a version. */
function comparisons(before: JsonObject, after: JsonObject, context: OwnershipContext): (apiVersion: string) => Comparison | undefined {
  const filtered = ({ changed, removed }: Comparison): Comparison => ({
    changed: withoutReset(changed, context),
    removed: withoutReset(removed, context),
  })
  const own = filtered(compare(before, after, context.schema))
  const others = new Map<string, Comparison | undefined>()
  return (apiVersion) => {
    if (apiVersion === context.apiVersion || !context.versionOf) return own
    if (!others.has(apiVersion)) {
      const version = context.versionOf(apiVersion)
      others.set(apiVersion, version && filtered(compare(shownAs(version, before, 'old'), shownAs(version, after, 'new'), version.type)))
    }
    return others.get(apiVersion)
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
