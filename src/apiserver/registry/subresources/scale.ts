/** The scale of whatever has replicas, as autoscaling/v1 Scale. */
import { checkHasReplicas, replicasField, scaleOf, withReplicas } from './scaleObject.ts'
import { newBadRequest, newConflict, newInvalid, newMethodNotAllowed, newNotFound, newStatusError } from '../../../api/status.ts'
import { invalid } from '../../../api/validation/fieldErrors.ts'
import { cloneJson } from '../../../api/jsonValues.ts'
import { parsePatchOptions, parseUpdateOptions } from '../options.ts'
import { isApply, parseConfiguration, patcherFor } from '../patches.ts'
import { decodePatched } from '../patched.ts'
import { keyFor } from '../kind.ts'
import { newUnmet, otherUid } from '../storageErrors.ts'
import { fromStorage } from '../versions.ts'
import { applyConfiguration, trackUpdate } from '../fieldManagement.ts'
import { changeObject, tracking } from '../writes.ts'
import { parentManagedFields, scaleManagedFields } from './scaleFields.ts'
import { apiVersionOf } from '../../../api/resource.ts'
import type { Scale } from '../../../api/kinds/autoscaling/v1.ts'
import type { ManagedFieldsEntry } from '../../../api/kinds/meta/v1.ts'
import type { TypeDef } from '../../../api/catalog/schema.ts'
import type { JsonObject, KubeObject } from '../../../api/resource.ts'
import type { ApiRequest, ApiResult } from '../../request.ts'
import type { StoredKind } from '../kind.ts'
import type { RegistryCore } from '../registryCore.ts'
import type { Tracking } from '../fieldManagement.ts'
import type { WriteOptions } from '../options.ts'
import type { StatusError } from '../../../api/status.ts'
import type { SubresourceHandler } from '../registryCore.ts'

const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' }
const SCALE_TYPE = { kind: 'Scale', apiVersion: 'autoscaling/v1' }

function checkIdentity({ metadata }: Scale, request: ApiRequest): void {
  const { name, namespace } = metadata ?? {}
  if (!name) throw newBadRequest(`the name of the object (${request.name} based on URL) was undeterminable: name must be provided`)
  if (name !== request.name) throw newBadRequest(`the name of the object (${name}) does not match the name on the URL (${request.name})`)
  if (namespace && namespace !== request.namespace)
    throw newBadRequest('the namespace of the provided object does not match the namespace sent on the request')
}

/** A custom resource's replicas are judged with it. */
function checkScale(next: Scale, request: ApiRequest, custom: boolean): void {
  checkIdentity(next, request)
  const replicas = next.spec?.replicas ?? 0
  if (replicas < 0 && !custom) {
    throw newInvalid({ group: 'autoscaling', kind: 'Scale' }, request.name, [
      invalid('spec.replicas', replicas, 'must be greater than or equal to 0'),
    ])
  }
}

/** A patched Scale is compared before it is stored, one that was sent as a whole by the storage. */
function checkUid(
  { metadata }: Scale,
  old: KubeObject,
  { kind, request, patched }: { kind: StoredKind; request: ApiRequest; patched: boolean },
): void {
  const { uid } = metadata ?? {}
  const found = old.metadata.uid
  if (!uid || uid === found) return
  const { group, resource } = request.resource
  if (!patched) throw newUnmet(kind.storage, request.name, keyFor(kind, request.namespace, request.name), otherUid(uid, found))
  throw newConflict({ group, resource: `${resource}/scale` }, request.name, otherUid(uid, found))
}

interface ScaleChange {
  options: WriteOptions
  retryConflicts: boolean
  /** The Scale as it is to be, with its managedFields. */
  next(current: Scale): Scale
}

async function change(
  core: RegistryCore,
  kind: StoredKind,
  request: ApiRequest,
  { options, retryConflicts, next }: ScaleChange,
): Promise<ApiResult> {
  const result = await changeObject(core, kind, request, {
    rules: { part: 'main' },
    options,
    retryConflicts,
    allowCreate: false,
    tracked: true,
    make(old) {
      const { managedFields } = (old as KubeObject).metadata
      const scale = next(withManagedFields(scaleOf(kind, old as KubeObject), scaleManagedFields(managedFields, replicasField(kind))))
      checkScale(scale, request, kind.custom)
      const object = withReplicas(kind, cloneJson(old as KubeObject), scale.spec?.replicas ?? 0)
      const entries = parentManagedFields(managedFields, scale.metadata?.managedFields, apiVersionOf(request.resource), replicasField(kind))
      if (entries) object.metadata.managedFields = entries
      else delete object.metadata.managedFields
      checkUid(scale, old as KubeObject, { kind, request, patched: retryConflicts })
      if (retryConflicts) {
        if (scale.metadata?.resourceVersion) object.metadata.resourceVersion = scale.metadata.resourceVersion
      } else {
        if (scale.metadata?.resourceVersion) object.metadata.resourceVersion = scale.metadata.resourceVersion
        // Custom resources are updated at a version that is known: the newest, where the client names none.
        else if (!kind.custom) delete (object.metadata as Partial<KubeObject['metadata']>).resourceVersion
      }
      return object
    },
  })
  if (result.type !== 'object') return result
  return { type: 'object', code: 200, object: scaleOf(kind, result.object as KubeObject) as unknown as JsonObject }
}

function withManagedFields(scale: Scale, managedFields: ManagedFieldsEntry[] | undefined): Scale {
  return managedFields ? { ...scale, metadata: { ...scale.metadata, managedFields } } : scale
}

/** What the field manager sees instead of the object: its Scale. */
function scaleTracking(core: RegistryCore, kind: StoredKind, request: ApiRequest, options: WriteOptions): Tracking {
  const type = core.catalog.typeOfKind(SCALE) as TypeDef
  return { ...tracking(core, kind, request, options), resource: { ...request.resource, ...SCALE, type } }
}

/** The manager of the write comes to own what it changes; of a custom resource nobody does, since upstream cannot convert its Scale. */
function tracked(next: Scale, current: Scale, target: Tracking): Scale {
  const { managedFields: _, ...metadata } = next.metadata ?? {}
  if (target.resource.custom) return { ...next, metadata }
  const scale = { ...next, metadata: { ...next.metadata } }
  trackUpdate(scale as KubeObject, current as KubeObject, target)
  return scale
}

/** Upstream converts custom resources alone, and not the Scales that stand for them: what would change one by apply fails. */
function unconvertible(what: string): StatusError {
  const why = 'request to convert CR to an invalid group/version: autoscaling/v1'
  return newStatusError(500, '', `failed to convert ${what} autoscaling/v1, Kind=Scale) to proper version: ${why}`)
}

function checkOwned({ metadata }: Scale): void {
  if (!metadata?.managedFields) {
    const { message } = unconvertible('live object (/;')
    throw newStatusError(500, '', `failed to create manager for existing fields: ${message}`)
  }
}

const isScale = ({ kind, apiVersion }: JsonObject): boolean => kind === SCALE_TYPE.kind && apiVersion === SCALE_TYPE.apiVersion

function nameIn({ metadata }: JsonObject): string {
  const { namespace, name } = (metadata ?? {}) as { namespace?: string; name?: string }
  return `${namespace ?? ''}/${name ?? ''}`
}

export const scale: SubresourceHandler = async (core, kind, request) => {
  switch (request.verb) {
    case 'get': {
      const stored = await core.objects.load(kind, request.namespace, request.name)
      if (!stored) throw newNotFound(request.resource, request.name)
      const { object } = fromStorage(stored, request.resource, kind)
      checkHasReplicas(kind, object)
      return { type: 'object', code: 200, object: scaleOf(kind, object) as unknown as JsonObject }
    }
    case 'update': {
      const options = parseUpdateOptions(request)
      const target = scaleTracking(core, kind, request, options)
      const given = { ...SCALE_TYPE, ...request.body } as Scale
      checkIdentity(given, request)
      return change(core, kind, request, { options, retryConflicts: false, next: (current) => tracked(given, current, target) })
    }
    case 'patch': {
      const options = parsePatchOptions(request)
      const target = scaleTracking(core, kind, request, options)
      if (isApply(request)) {
        const configuration = parseConfiguration(request)
        const to = { ...target, namespace: request.namespace, name: request.name, force: options.force }
        const next = (current: Scale): Scale => {
          if (kind.custom && isScale(configuration)) checkOwned(current)
          const applied = applyConfiguration(current as KubeObject, cloneJson(configuration), to) as Scale
          if (kind.custom && applied.spec?.replicas !== current.spec?.replicas) throw unconvertible(`new object (${nameIn(configuration)};`)
          return applied
        }
        return change(core, kind, request, { options, retryConflicts: true, next })
      }
      const { type } = target.resource
      const decode = patcherFor(request, type)
      const patched = { catalog: core.catalog, request, kind: SCALE, type, validation: options.fieldValidation }
      const next = (current: Scale): Scale => {
        const { managedFields: _, ...metadata } = current.metadata ?? {}
        const base = cloneJson({ ...current, metadata }) as unknown as JsonObject
        return tracked(decodePatched(base, { ...patched, patch: decode() }) as unknown as Scale, current, target)
      }
      return change(core, kind, request, { options, retryConflicts: true, next })
    }
    default:
      throw newMethodNotAllowed()
  }
}
