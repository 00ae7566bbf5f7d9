/**
 * Who owns the replicas, between an object's managedFields and those of its Scale (apimachinery's managedfields.ScaleHandler).
 * Updaters are known by their API version too, so that those of the object and those of the Scale are never the same.
 */
import { difference, fieldSetOfPaths, intersection, isEmpty } from '../../../merge/apply/fieldSet.ts'
import { decodeManagedFields, encodeManagedFields, keyOf } from '../../../merge/apply/managedFields.ts'
import type { ManagedFieldsEntry } from '../../../api/kinds/meta/v1.ts'
import type { Managed, Managers } from '../../../merge/apply/managedFields.ts'

const REPLICAS = fieldSetOfPaths([['spec', 'replicas']])
const SCALE_VERSION = 'autoscaling/v1'

const ownsReplicas = ({ fields }: Managed): boolean => !isEmpty(intersection(fields, REPLICAS))

const ownerAt = ({ id, time }: Managed, apiVersion: string): Managed => ({ id: { ...id, apiVersion }, fields: REPLICAS, time })

export function scaleManagedFields(entries: readonly ManagedFieldsEntry[] | undefined): ManagedFieldsEntry[] | undefined {
  const managers: Managers = new Map()
  for (const managed of decodeManagedFields(entries).values()) {
    if (!ownsReplicas(managed)) continue
    const owner = ownerAt(managed, SCALE_VERSION)
    managers.set(keyOf(owner.id), owner)
  }
  return encodeManagedFields(managers)
}

/** The object's managedFields after those of its Scale have changed to `scaleEntries`. */
export function parentManagedFields(
  entries: readonly ManagedFieldsEntry[] | undefined,
  scaleEntries: readonly ManagedFieldsEntry[] | undefined,
  apiVersion: string,
): ManagedFieldsEntry[] | undefined {
  const managers: Managers = new Map()
  const owners = decodeManagedFields(scaleEntries)
  const before = decodeManagedFields(entries)
  for (const [key, managed] of before) {
    const stays = !ownsReplicas(managed) || owners.delete(key)
    const fields = stays ? managed.fields : difference(managed.fields, REPLICAS)
    if (!isEmpty(fields)) managers.set(key, stays ? managed : { ...managed, fields })
  }
  // Upstream looks for the time where only an owner from before has one.
  for (const [key, { id }] of owners) managers.set(key, ownerAt({ id, fields: REPLICAS, time: before.get(key)?.time }, apiVersion))
  return encodeManagedFields(managers)
}
