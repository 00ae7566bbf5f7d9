/** Takes out of an object what its applier no longer mentions and nobody else owns. */
import type { JsonObject } from '../jsonValue.ts'
import { difference, type FieldSet, intersection, isEmpty, union } from './fieldSet.ts'
import { fieldSetOf, withNamedFields } from './fieldSetOf.ts'
import type { Managed, Managers } from './managedFields.ts'
import { removeItems } from './mergeTyped.ts'
import { showAt, shownNow, type Shown, type VersionContext } from './versions.ts'

/** `last` is what the manager applied before, `managers` has what it applies now. Throws UnfitVersion. */
export function pruned(
  merged: JsonObject,
  managers: Managers,
  last: Managed | undefined,
  now: FieldSet,
  context: VersionContext,
): JsonObject {
  if (!last) return merged
  const sameVersion = [last, ...managers.values()].every(({ id }) => id.apiVersion === context.apiVersion)
  if (sameVersion && isEmpty(difference(last.fields, now))) return merged
  const whole = showAt(shownNow(merged, context), last.id.apiVersion, context, 'failed to convert merged object to last applied version: ')
  if (!whole) return merged
  const withoutLast = without(whole, withNamedFields(last.fields, whole.type))
  const left = withDangling(whole, withOwned(whole, withoutLast, managers, context), last, context)
  return showAt(left, context.apiVersion, context)?.object ?? merged
}

function without(shown: Shown, fields: FieldSet): Shown {
  return { ...shown, object: removeItems(shown.object, fields, shown.type) }
}

function fieldsOf({ object, type }: Shown): FieldSet {
  return withNamedFields(fieldSetOf(object, type), type)
}

/** Gives back what managers own, as each version shows it; the version that was pruned comes first. */
function withOwned(merged: Shown, prunedOnes: Shown, managers: Managers, context: VersionContext): Shown {
  const owned = new Map<string, FieldSet>()
  const first = ({ id }: Managed): number => (id.apiVersion === prunedOnes.apiVersion ? 0 : 1)
  for (const { id, fields } of [...managers.values()].toSorted((a, b) => first(a) - first(b))) {
    owned.set(id.apiVersion, union(owned.get(id.apiVersion) ?? {}, fields))
  }
  let [whole, left] = [merged, prunedOnes]
  for (const [apiVersion, fields] of owned) {
    const failure = (what: string): string => `failed add back owned items: failed to convert ${what} object at version ${apiVersion}: `
    const wholeThere = showAt(whole, apiVersion, context, failure('merged'))
    const leftThere = wholeThere && showAt(left, apiVersion, context, failure('pruned'))
    if (!leftThere) continue
    const keep = union(fieldsOf(leftThere), withNamedFields(fields, wholeThere.type))
    whole = wholeThere
    left = without(whole, difference(fieldsOf(whole), keep))
  }
  return left
}

/** Gives back what went with a field of the manager and was never its own. */
function withDangling(merged: Shown, prunedOnes: Shown, last: Managed, context: VersionContext): Shown {
  const failure = 'failed add back dangling items: failed to convert pruned object to last applied version: '
  const left = showAt(prunedOnes, merged.apiVersion, context, failure)
  if (!left) return merged
  const gone = difference(fieldsOf(merged), fieldsOf(left))
  return without(merged, intersection(gone, withNamedFields(last.fields, merged.type)))
}
