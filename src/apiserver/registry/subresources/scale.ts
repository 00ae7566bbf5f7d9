/** The scale of whatever has replicas, as autoscaling/v1 Scale. */
import { scaleOf, withReplicas } from './scaleObject.ts'
import { newBadRequest, newInvalid, newMethodNotAllowed } from '../../../api/status.ts'
import { invalid } from '../../../api/validation/fieldErrors.ts'
import { cloneJson } from '../jsonValues.ts'
import { parsePatchOptions, parseUpdateOptions } from '../options.ts'
import { isApply, patcherFor } from '../patches.ts'
import { decodePatched } from '../schema.ts'
import { fromStorage } from '../versions.ts'
import { changeObject } from '../writes.ts'
import type { Scale } from '../../../api/kinds/autoscaling/v1.ts'
import type { TypeDef } from '../../../api/catalog/schema.ts'
import type { JsonObject, KubeObject } from '../../../api/resource.ts'
import type { ApiRequest, ApiResult } from '../../request.ts'
import type { StoredKind } from '../kind.ts'
import type { RegistryCore } from '../registry.ts'
import type { WriteOptions } from '../options.ts'
import type { SubresourceHandler } from './table.ts'

const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' }

function checkScale(next: Scale, request: ApiRequest): void {
  const { name, namespace } = next.metadata ?? {}
  if (name && name !== request.name) throw newBadRequest(`the name of the object (${name}) does not match the name on the URL (${request.name})`)
  if (namespace && namespace !== request.namespace) throw newBadRequest('the namespace of the provided object does not match the namespace sent on the request')
  const replicas = next.spec?.replicas ?? 0
  if (replicas < 0) {
    throw newInvalid({ group: 'autoscaling', kind: 'Scale' }, request.name, [invalid('spec.replicas', replicas, 'must be greater than or equal to 0')])
  }
}

async function change(core: RegistryCore, kind: StoredKind, request: ApiRequest, options: WriteOptions, retryConflicts: boolean, next: (current: Scale) => Scale): Promise<ApiResult> {
  const result = await changeObject(core, kind, request, {
    rules: { part: 'main' },
    options,
    retryConflicts,
    allowCreate: false,
    tracked: false,
    make(old) {
      const scale = next(scaleOf(kind, old as KubeObject))
      checkScale(scale, request)
      const object = withReplicas(kind, cloneJson(old as KubeObject), scale.spec?.replicas ?? 0)
      if (!retryConflicts) {
        if (scale.metadata?.resourceVersion) object.metadata.resourceVersion = scale.metadata.resourceVersion
        else delete (object.metadata as Partial<KubeObject['metadata']>).resourceVersion
      }
      return object
    },
  })
  if (result.type !== 'object') return result
  return { type: 'object', code: 200, object: scaleOf(kind, result.object as KubeObject) as unknown as JsonObject }
}

export const scale: SubresourceHandler = async (core, kind, request) => {
  switch (request.verb) {
    case 'get': {
      const stored = core.objects.get(kind, request.namespace, request.name)
      const { object } = fromStorage(stored, request.resource, kind)
      return { type: 'object', code: 200, object: scaleOf(kind, object) as unknown as JsonObject }
    }
    case 'update': {
      const options = parseUpdateOptions(request)
      const given = (request.body ?? {}) as unknown as Scale
      return change(core, kind, request, options, false, () => given)
    }
    case 'patch': {
      const options = parsePatchOptions(request)
      if (isApply(request)) throw newBadRequest('apply is not supported on the scale subresource')
      const type = core.catalog.typeOfKind(SCALE) as TypeDef
      const patch = patcherFor(request, type, false)
      return change(core, kind, request, options, true, (current) => {
        const patched = patch.apply(cloneJson(current) as unknown as JsonObject)
        return decodePatched(request, type, patched, options.fieldValidation, patch.shown) as unknown as Scale
      })
    }
    default:
      throw newMethodNotAllowed()
  }
}
