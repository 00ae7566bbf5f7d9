/** metadata.managedFields: recorded on every write, and decided on by server-side apply. */
import { applyPatch } from '../../merge/apply/apply.ts'
import { fieldSetOfPaths } from '../../merge/apply/fieldSet.ts'
import { updateManagedFields } from '../../merge/apply/update.ts'
import { restore } from '../../api/codec/restore.ts'
import { apiVersionOf, parseGroupVersion } from '../../api/resource.ts'
import { newBadRequest, newConflict } from '../../api/status.ts'
import { isJsonObject } from '../cache/json.ts'
import { cloneJson } from '../../api/jsonValues.ts'
import { sentRevision } from './options.ts'
import { asWritten, emptyObject } from './schema.ts'
import { PendingConversion, convertBetween } from './versions.ts'
import type { FieldSet } from '../../merge/apply/fieldSet.ts'
import type { OwnershipContext } from '../../merge/apply/ownership.ts'
import type { ObjectVersion } from '../../merge/apply/versions.ts'
import type { JsonObject as ReadonlyJson } from '../../merge/jsonValue.ts'
import type { Catalog, CatalogResource } from '../../api/catalog/catalog.ts'
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import type { StoredKind } from './kind.ts'

const RESET_BY_MAIN = fieldSetOfPaths([['status']])
const RESET_BY_STATUS = fieldSetOfPaths([['spec']])
const RESET_BY_STATUS_WITH_LABELS = fieldSetOfPaths([['spec'], ['metadata', 'labels']])
const RESET_BY_STATUS_WITH_METADATA = fieldSetOfPaths([['spec'], ['metadata']])

/** Fields that the endpoint does not write: nobody comes to own them through it. */
export function resetFields(kind: StoredKind, subresource: string): FieldSet | undefined {
  if (!kind.hasStatus) return undefined
  const own = kind.strategy.resetFields?.[subresource]
  if (own) return fieldSetOfPaths(own)
  if (subresource === '') return RESET_BY_MAIN
  if (subresource !== 'status') return undefined
  const { statusKeepsMetadata } = kind.strategy
  if (statusKeepsMetadata === 'exceptLabels') return RESET_BY_STATUS_WITH_LABELS
  return statusKeepsMetadata ? RESET_BY_STATUS : RESET_BY_STATUS_WITH_METADATA
}

export interface Tracking {
  catalog: Catalog
  kind: StoredKind
  /** As requested: entries carry this version. */
  resource: CatalogResource
  manager: string
  subresource: string
  nowMs: number
}

function ownershipContext(tracking: Tracking): OwnershipContext {
  const { resource, kind, subresource, catalog } = tracking
  const at = (apiVersion: string): CatalogResource | undefined => {
    const slash = apiVersion.indexOf('/')
    const group = slash < 0 ? '' : apiVersion.slice(0, slash)
    // Those who know the core group's types know no others, and the other way round.
    if ((group === '') !== (resource.group === '')) return undefined
    return catalog.resource(group, apiVersion.slice(slash + 1), resource.resource)
  }
  const versionOf = (apiVersion: string): ObjectVersion | undefined => {
    const to = at(apiVersion)
    if (!to) return undefined
    const convert = (object: ReadonlyJson, from: string): ReadonlyJson => {
      const given = object as unknown as KubeObject
      const source = at(from) ?? resource
      const converted = kind.versions ? kind.versions.convert(given, source, to) : convertBetween(inGoShape(given, source), source, to)
      if (converted instanceof Promise) throw new PendingConversion(converted)
      return converted as unknown as ReadonlyJson
    }
    return { type: to.type, convert }
  }
  return { schema: resource.type, apiVersion: apiVersionOf(resource), resetFields: resetFields(kind, subresource), versionOf }
}

/** What is left of an object that was pruned has no structs where there is nothing in them. */
function inGoShape(object: KubeObject, { type, kind }: CatalogResource): KubeObject {
  return { ...restore(object, type).object, kind, apiVersion: object.apiVersion } as unknown as KubeObject
}

const asJson = (object: KubeObject): ReadonlyJson => object as unknown as ReadonlyJson

/** What another version has no field for is kept in annotations, which show once it has been there. */
function throughStorage(object: KubeObject, { resource, kind }: Tracking): KubeObject {
  if (kind.custom || resource.kind !== kind.storage.kind) return object
  return convertBetween(convertBetween(object, resource, kind.storage), kind.storage, resource)
}

/** Writes the managedFields that the new object is to have. */
export function trackUpdate(next: KubeObject, old: KubeObject | undefined, tracking: Tracking): void {
  const written = asWritten(tracking.resource, throughStorage(next, tracking))
  const sent = next.metadata.managedFields
  const managedFields = updateManagedFields({
    ...ownershipContext(tracking),
    before: asJson(old ?? emptyObject(tracking.resource)),
    // An empty list clears them.
    after: asJson(sent ? { ...written, metadata: { ...written.metadata, managedFields: sent } } : written),
    manager: tracking.manager,
    nowMs: tracking.nowMs,
    ...(tracking.subresource && { subresource: tracking.subresource }),
  })
  if (managedFields) next.metadata.managedFields = managedFields
  else delete next.metadata.managedFields
}

export interface ApplyTarget extends Tracking {
  namespace: string
  name: string
  force: boolean
}

/** The object that comes of applying a configuration to the live one (undefined: it is created). */
export function applyConfiguration(old: KubeObject | undefined, configuration: JsonObject, target: ApplyTarget): KubeObject {
  const { resource, name } = target
  const { kind, apiVersion, metadata: meta } = configuration
  const given = parseGroupVersion(typeof apiVersion === 'string' ? apiVersion : '')
  if (kind !== resource.kind || given?.group !== resource.group || given.version !== resource.version) {
    const shown = given && typeof kind === 'string' ? kind : ''
    throw newBadRequest(`invalid object type: ${given?.group ?? ''}/${given?.version ?? ''}, Kind=${shown}`)
  }
  if (meta === null) delete configuration['metadata']
  if (!old && isJsonObject(meta) && typeof meta['resourceVersion'] === 'string') {
    sentRevision(meta['resourceVersion'])
    delete meta['resourceVersion']
  }
  const empty = emptyObject(resource)
  const { object, managedFields } = applyPatch({
    ...ownershipContext(target),
    live: asJson(old ?? empty),
    empty: asJson(empty),
    applied: configuration,
    manager: target.manager,
    force: target.force,
    nowMs: target.nowMs,
    ...(target.subresource && { subresource: target.subresource }),
  })
  const applied = cloneJson(object) as unknown as KubeObject
  const { uid } = (applied.metadata ??= {} as KubeObject['metadata'])
  if (!old && uid) {
    throw newConflict(resource, name, `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`)
  }
  resource.custom?.coerceMetadata(applied as unknown as JsonObject)
  if (managedFields) applied.metadata.managedFields = managedFields
  return applied
}
