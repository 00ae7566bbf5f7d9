/**
 * Who owns the replicas, between an object's managedFields and those of its Scale (apimachinery's managedfields.ScaleHandler).
 * Updaters are known by their API version too, so that those of the object and those of the Scale are never the same.
 */
import { difference, fieldSetOfPaths, intersection, isEmpty } from '../../../merge/apply/fieldSet.ts'
import { decodeManagedFields, encodeManagedFields, keyOf } from '../../../merge/apply/managedFields.ts'
import type { FieldSet } from '../../../merge/apply/fieldSet.ts'
import type { ManagedFieldsEntry } from '../../../api/kinds/meta/v1.ts'
import type { Managed, Managers } from '../../../merge/apply/managedFields.ts'

const SPEC_REPLICAS = ['spec', 'replicas']
const REPLICAS = fieldSetOfPaths([SPEC_REPLICAS])
const SCALE_VERSION = 'autoscaling/v1'

const ownsReplicas = ({ fields }: Managed, replicas: FieldSet): boolean => !isEmpty(intersection(fields, replicas))

const ownerAt = ({ id, time }: Managed, apiVersion: string, fields: FieldSet): Managed => ({ id: { ...id, apiVersion }, fields, time })

/** `replicas` is the field of the object that holds them. */
export function scaleManagedFields(
  entries: readonly ManagedFieldsEntry[] | undefined,
  replicas: readonly string[] = SPEC_REPLICAS,
): ManagedFieldsEntry[] | undefined {
  const held = fieldSetOfPaths([[...replicas]])
  const managers: Managers = new Map()
  for (const managed of decodeManagedFields(entries).values()) {
    if (!ownsReplicas(managed, held)) continue
    const owner = ownerAt(managed, SCALE_VERSION, REPLICAS)
    managers.set(keyOf(owner.id), owner)
  }
  return encodeManagedFields(managers)
}

/** The object's managedFields after those of its Scale have changed to `scaleEntries`. */
export function parentManagedFields(
  entries: readonly ManagedFieldsEntry[] | undefined,
  scaleEntries: readonly ManagedFieldsEntry[] | undefined,
  apiVersion: string,
  replicas: readonly string[] = SPEC_REPLICAS,
): ManagedFieldsEntry[] | undefined {
  const held = fieldSetOfPaths([[...replicas]])
  const managers: Managers = new Map()
  const owners = decodeManagedFields(scaleEntries)
  const before = decodeManagedFields(entries)
  for (const [key, managed] of before) {
    const stays = !ownsReplicas(managed, held) || owners.delete(key)
    const fields = stays ? managed.fields : difference(managed.fields, held)
    if (!isEmpty(fields)) managers.set(key, stays ? managed : { ...managed, fields })
  }
  // Upstream looks for the time where only an owner from before has one.
  const newOwners = [...owners].filter(([, owner]) => ownsReplicas(owner, REPLICAS))
  for (const [key, { id }] of newOwners) managers.set(key, ownerAt({ id, fields: held, time: before.get(key)?.time }, apiVersion, held))
  return encodeManagedFields(managers)
}
