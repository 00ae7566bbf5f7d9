/** Field ownership of creates, updates and patches other than apply. */
import type { ManagedFieldsEntry } from '../../api/kinds/meta/v1.ts'
import { deepEqual, timestamp } from '../../api/meta.ts'
import { isObject, type JsonObject } from '../jsonValue.ts'
import { isEmpty, union } from './fieldSet.ts'
import {
  BadManagedFields,
  capUpdateManagers,
  decodeManagedFields,
  encodeManagedFields,
  entriesOf,
  keyOf,
  type ManagerId,
  type Managers,
} from './managedFields.ts'
import { BadItem } from './typedValue.ts'
import { validateTyped } from './validateTyped.ts'
import { UnfitVersion } from './versions.ts'
import { fitManagers, type OwnershipContext, ownershipAfter, withoutManagedFields, withoutNeverOwned } from './ownership.ts'

export interface UpdateOptions extends OwnershipContext {
  /** The stored object; on create, a zero object of the kind. */
  before: JsonObject
  /** The object as it is going to be stored; its managedFields are what the client sent. */
  after: JsonObject
  manager: string
  subresource?: string | undefined
  nowMs: number
}

/** The managedFields that the new object is to have; undefined for none. Neither object is changed. */
export function updateManagedFields(options: UpdateOptions): ManagedFieldsEntry[] | undefined {
  const { before, after, manager, apiVersion, subresource, nowMs } = options
  const managers = managersBefore(options)
  // Objects whose managedFields were cleared stay without until something is applied to them.
  if (managers.size === 0 && hasUid(before)) return undefined
  // As upstream, which drops all of what it cannot work with: versions that are none, a status that is taken back later.
  if (options.schema.name === '' && validateTyped(after, options.schema, { stored: true }) !== undefined) return undefined
  const id: ManagerId = { manager: manager || 'unknown', operation: 'Update', apiVersion, subresource }
  try {
    fitManagers(managers, withoutManagedFields(before), options)
    recordUpdate(before, after, managers, id, nowMs, options)
  } catch (error) {
    if (error instanceof UnfitVersion || error instanceof BadItem) return undefined
    throw error
  }
  capUpdateManagers(managers)
  return encodeManagedFields(managers)
}

/** Gives a manager what changed between two objects, and takes it from the others. */
export function recordUpdate(
  before: JsonObject,
  after: JsonObject,
  managers: Managers,
  id: ManagerId,
  nowMs: number,
  context: OwnershipContext,
): void {
  // The manager's own earlier entry is one of the others here: it too loses what was removed.
  const ownership = ownershipAfter(withoutManagedFields(before), withoutManagedFields(after), managers, '', context)
  const key = keyOf(id)
  ownership.settle(key)
  const fields = withoutNeverOwned(ownership.comparison.changed)
  if (isEmpty(fields)) return
  const own = managers.get(key)
  managers.set(key, { ...own, id, fields: union(own?.fields ?? {}, fields), time: timestamp(nowMs) })
}

function hasUid({ metadata }: JsonObject): boolean {
  return isObject(metadata) && Boolean(metadata['uid'])
}

function isReset(entries: unknown): boolean {
  if (!Array.isArray(entries)) return false
  return entries.length === 0 || (entries.length === 1 && isObject(entries[0]) && Object.keys(entries[0]).length === 0)
}

/** A client may clear managedFields or edit them; what cannot be understood is ignored. */
function managersBefore({ before, after, subresource }: UpdateOptions): Managers {
  const stored = tryDecode(entriesOf(before)) ?? new Map()
  if (subresource) return stored
  const sent = entriesOf(after)
  if (isReset(sent)) return new Map()
  const managers = tryDecode(sent)
  return managers && managers.size > 0 ? inOwnWords(managers, stored) : stored
}

/** What a client has edited is written as the server would write it. */
function inOwnWords(sent: Managers, stored: Managers): Managers {
  const managers: Managers = new Map()
  for (const [key, { entry, ...managed }] of sent) {
    const known = stored.get(key)
    managers.set(key, known && deepEqual(known.entry, entry) ? known : managed)
  }
  return managers
}

function tryDecode(entries: unknown): Managers | undefined {
  try {
    return decodeManagedFields(entries)
  } catch (error) {
    if (error instanceof BadManagedFields) return undefined
    throw error
  }
}
