/**
 * Server-side apply: merges a configuration into the live object, takes out what the applier no longer mentions and
 * nobody else owns, and keeps account of who owns what (k8s.io/apimachinery/pkg/util/managedfields over
 * structured-merge-diff v6 is the reference). Pure: the result shares parts with the arguments, which are not changed.
 */
import type { ManagedFieldsEntry } from '../../api/kinds/meta/v1.ts'
import { deepEqual, timestamp } from '../../api/meta.ts'
import { newBadRequest, newStatusError } from '../../api/status.ts'
import { isObject, type JsonObject } from '../jsonValue.ts'
import { newApplyConflict } from './conflict.ts'
import { difference, type FieldSet, isEmpty } from './fieldSet.ts'
import { fieldSetOf } from './fieldSetOf.ts'
import { fieldsStillAsLastApplied, withLastApplied } from './lastApplied.ts'
import {
  BadManagedFields,
  decodeManagedFields,
  encodeManagedFields,
  entriesOf,
  keyOf,
  type Managed,
  type ManagerId,
  type Managers,
  setFields,
} from './managedFields.ts'
import { mergeTyped } from './mergeTyped.ts'
import { fitManagers, type OwnershipContext, ownershipAfter, withoutManagedFields, withoutNeverOwned, withoutReset } from './ownership.ts'
import { pruned } from './prune.ts'
import { recordUpdate } from './update.ts'
import { BadItem } from './typedValue.ts'
import { validateTyped } from './validateTyped.ts'
import { UnfitVersion } from './versions.ts'

export interface ApplyOptions extends OwnershipContext {
  /** The stored object at `apiVersion`, or the kind's empty object if there is none. */
  live: JsonObject
  /** A zero object of the kind. */
  empty: JsonObject
  /** The configuration, of the same kind and API version. */
  applied: JsonObject
  manager: string
  force: boolean
  subresource?: string | undefined
  nowMs: number
}

export interface Applied {
  /** Without managedFields; not yet defaulted. */
  object: JsonObject
  managedFields: ManagedFieldsEntry[] | undefined
}

const BEFORE_FIRST_APPLY = 'before-first-apply'
const KUBECTL = 'kubectl'

/** Throws StatusError: 409 with the conflicts, 500 for a configuration that does not fit its type, 400 for a wrong kind. */
export function applyPatch(options: ApplyOptions): Applied {
  const { applied, manager } = options
  const entries = entriesOf(applied)
  if (Array.isArray(entries) && entries.every(isObject)) throw newBadRequest('metadata.managedFields must be nil')
  const fault = validateTyped(applied, options.schema)
  if (fault !== undefined) throw newStatusError(500, '', `failed to create typed patch object (${describe(applied)}): ${fault}`)
  const managers = decode(options.live)
  const live = withoutManagedFields(options.live)
  // What is stored of a custom resource may be older than its schema.
  if (options.schema.name === '') assertTyped(live, managers, options)
  try {
    const { object, managers: after } = applyTo(live, managers, options)
    const shown = manager === KUBECTL ? withLastApplied(object, applied) : object
    return { object: shown, managedFields: encodeManagedFields(after) }
  } catch (error) {
    if (error instanceof BadItem) assertTyped(live, managers, options)
    throw error
  }
}

function assertTyped(live: JsonObject, managers: Managers, { schema }: ApplyOptions): void {
  const fault = validateTyped(live, schema, { stored: true })
  if (fault === undefined) return
  const said = managers.size > 0 ? 'create typed live object' : 'create manager for existing fields: failed to convert new object'
  throw newStatusError(500, '', `failed to ${said} (${describe(live)})${managers.size > 0 ? '' : ' to smd typed'}: ${fault}`)
}

function decode(live: JsonObject): Managers {
  try {
    return decodeManagedFields(entriesOf(live))
  } catch (error) {
    if (!(error instanceof BadManagedFields)) throw error
    throw newStatusError(500, '', `failed to decode managed fields: ${error.message}`)
  }
}

/** `default/web; apps/v1, Kind=Deployment` */
function describe(object: JsonObject): string {
  const metadata = isObject(object['metadata']) ? object['metadata'] : {}
  const apiVersion = String(object['apiVersion'])
  const groupVersion = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`
  const text = (member: string): string => (typeof metadata[member] === 'string' ? metadata[member] : '')
  return `${text('namespace')}/${text('name')}; ${groupVersion}, Kind=${String(object['kind'])}`
}

function applyTo(live: JsonObject, managers: Managers, options: ApplyOptions): { object: JsonObject; managers: Managers } {
  const { applied, schema, manager, apiVersion, subresource, nowMs } = options
  inEveryVersion('', () => fitManagers(managers, live, options))
  if (managers.size === 0) {
    const first: ManagerId = { manager: BEFORE_FIRST_APPLY, operation: 'Update', apiVersion, subresource }
    recordUpdate(options.empty, live, managers, first, nowMs, options)
  }
  const id: ManagerId = { manager, operation: 'Apply', apiVersion, subresource }
  const self = keyOf(id)
  const last = managers.get(self)
  const fields = withoutReset(fieldSetOf(applied, schema), options)
  const mine: Managed = { id, fields, time: last?.time }
  managers.set(self, mine)
  const merged = mergeTyped(live, applied, schema)
  const object = inEveryVersion('failed to prune fields: ', () => pruned(merged, managers, last, fields, options))
  const ownership = inEveryVersion('', () => ownershipAfter(live, object, managers, self, options))
  const conflicts = forbidden(ownership.conflicts, live, options)
  if (conflicts.size > 0) throw newApplyConflict(conflicts, managers)
  ownership.settle()
  const same = deepEqual(live, object)
  const owned = withoutNeverOwned(fields)
  const unchanged = same && last && deepEqual(last.fields, owned) && last.id.apiVersion === apiVersion
  if (unchanged) managers.set(self, last)
  else setFields(managers, self, { id, fields: owned, time: same ? last?.time : timestamp(nowMs) })
  return { object: same ? live : object, managers }
}

function inEveryVersion<T>(failure: string, look: () => T): T {
  try {
    return look()
  } catch (error) {
    if (error instanceof UnfitVersion) throw newStatusError(500, '', `${failure}${error.message}`)
    throw error
  }
}

/** The conflicts that stand: kubectl may take over what its own client-side apply set and nobody has changed since. */
function forbidden(
  conflicts: ReadonlyMap<string, FieldSet>,
  live: JsonObject,
  { force, manager, apiVersion, schema }: ApplyOptions,
): ReadonlyMap<string, FieldSet> {
  if (force) return new Map()
  const allowed = manager === KUBECTL && conflicts.size > 0 ? fieldsStillAsLastApplied(live, apiVersion, schema) : undefined
  if (!allowed) return conflicts
  const standing = [...conflicts].map(([key, fields]) => [key, difference(fields, allowed)] as const)
  return new Map(standing.filter(([, fields]) => !isEmpty(fields)))
}
