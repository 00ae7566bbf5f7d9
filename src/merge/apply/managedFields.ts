/**
 * metadata.managedFields as a table of managers, and back. A manager is known by its name, operation, API version (updates
 * only) and subresource; the order of entries is upstream's.
 */
import type { ManagedFieldsEntry } from '../../api/kinds/meta/v1.ts'
import { isObject, type JsonObject } from '../jsonValue.ts'
import { canonical, type FieldSet, isEmpty, readFieldSet, union } from './fieldSet.ts'

/** More update managers than this are put together, oldest first. */
const UPDATE_MANAGERS_MAX = 10
const OLD_UPDATES_MANAGER = 'ancient-changes'

export type Operation = 'Apply' | 'Update'

export interface ManagerId {
  manager: string
  operation: Operation
  apiVersion: string
  subresource?: string | undefined
}

export interface Managed {
  readonly id: ManagerId
  readonly fields: FieldSet
  readonly time?: string | undefined
  /** The entry that this was read from, for as long as it says the same. */
  readonly entry?: ManagedFieldsEntry
}

/** By `keyOf`. */
export type Managers = Map<string, Managed>

/** Upstream's manager identifier; conflicts are listed in its order. */
export function keyOf({ manager, operation, apiVersion, subresource }: ManagerId): string {
  return JSON.stringify({
    ...(manager && { manager }),
    operation,
    ...(operation === 'Update' && { apiVersion }),
    ...(subresource && { subresource }),
  })
}

export class BadManagedFields extends Error {
  override readonly name = 'BadManagedFields'
}

export function entriesOf(object: JsonObject | undefined): unknown {
  return isObject(object?.['metadata']) ? object['metadata']['managedFields'] : undefined
}

/** Throws BadManagedFields. */
export function decodeManagedFields(entries: unknown): Managers {
  const managers: Managers = new Map()
  if (!Array.isArray(entries)) return managers
  for (const [i, entry] of (entries as ManagedFieldsEntry[]).entries()) {
    const managed = decodeEntry(isObject(entry) ? entry : {}, i)
    managers.set(keyOf(managed.id), managed)
  }
  return managers
}

function decodeEntry(entry: ManagedFieldsEntry, i: number): Managed {
  const { manager = '', operation, apiVersion, subresource, fieldsType, time } = entry
  if (operation !== 'Apply' && operation !== 'Update') throw new BadManagedFields('operation must be `Apply` or `Update`')
  if (!apiVersion) throw new BadManagedFields('apiVersion must not be empty')
  if (!fieldsType) throw new BadManagedFields(`missing fieldsType in managed fields entry ${i}`)
  if (fieldsType !== 'FieldsV1') throw new BadManagedFields(`invalid fieldsType "${fieldsType}" in managed fields entry ${i}`)
  const fields = readFieldSet(entry.fieldsV1 ?? {})
  if (!fields) throw new BadManagedFields('error decoding set')
  return { id: { manager, operation, apiVersion, subresource }, fields, time, entry }
}

/** undefined if nobody manages anything. */
export function encodeManagedFields(managers: Managers): ManagedFieldsEntry[] | undefined {
  if (managers.size === 0) return undefined
  return [...managers.values()].sort(compareManaged).map(encodeEntry)
}

function encodeEntry({ id, fields, time, entry }: Managed): ManagedFieldsEntry {
  if (entry && entry.fieldsV1 === fields && entry.time === time && entry.apiVersion === id.apiVersion) return entry
  return {
    ...(id.manager && { manager: id.manager }),
    operation: id.operation,
    apiVersion: id.apiVersion,
    ...(time && { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: entry?.fieldsV1 === fields ? fields : canonical(fields),
    ...(id.subresource && { subresource: id.subresource }),
  }
}

function compareManaged(a: Managed, b: Managed): number {
  return (
    compareText(a.id.operation, b.id.operation) ||
    compareText(a.time ?? '', b.time ?? '') ||
    compareText(a.id.manager, b.id.manager) ||
    compareText(a.id.apiVersion, b.id.apiVersion) ||
    compareText(a.id.subresource ?? '', b.id.subresource ?? '')
  )
}

export function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

/** Sets a manager's fields; without any it is gone. */
export function setFields(managers: Managers, key: string, managed: Managed): void {
  if (isEmpty(managed.fields)) managers.delete(key)
  else managers.set(key, managed)
}

/** Puts the oldest update managers of one API version together until there are few enough. */
export function capUpdateManagers(managers: Managers): void {
  if (managers.size <= UPDATE_MANAGERS_MAX) return
  const updaters = [...managers].filter(([, { id }]) => id.operation === 'Update')
  let surplus = updaters.length - UPDATE_MANAGERS_MAX
  if (surplus <= 0) return
  updaters.sort(([aKey, a], [bKey, b]) => compareText(a.time ?? '', b.time ?? '') || compareText(aKey, bKey))
  const firstOf = new Map<string, string>()
  for (const [key, managed] of updaters) {
    if (surplus <= 0) break
    const { apiVersion } = managed.id
    const first = firstOf.get(apiVersion)
    if (first === undefined) {
      firstOf.set(apiVersion, key)
      continue
    }
    const id: ManagerId = { manager: OLD_UPDATES_MANAGER, operation: 'Update', apiVersion }
    const bucket = keyOf(id)
    const gathered = managers.get(bucket) ?? managers.get(first)
    if (!managers.has(bucket)) managers.delete(first)
    managers.delete(key)
    managers.set(bucket, { id, fields: union(managed.fields, gathered?.fields ?? {}), time: managed.time })
    surplus--
  }
}
