/** Subresources that are a part of the object itself: read as the whole, written by PUT and PATCH. */
import { increment } from '../../../api/codec/longIntegers.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { Pod, PodSpec } from '../../../api/kinds/core/v1.ts'
import { newMethodNotAllowed, newNotFound } from '../../../api/status.ts'
import { patchObject } from '../patches.ts'
import { fromStorage } from '../versions.ts'
import { updateObject } from '../writes.ts'
import type { ApiRequest, ApiResult } from '../../request.ts'
import type { StoredKind } from '../kind.ts'
import type { RegistryCore } from '../registryCore.ts'
import type { PartRules } from '../writes.ts'

export async function partOfObject(core: RegistryCore, kind: StoredKind, request: ApiRequest, rules: PartRules): Promise<ApiResult> {
  switch (request.verb) {
    case 'get': {
      const stored = await core.objects.load(kind, request.namespace, request.name)
      if (!stored) throw newNotFound(request.resource, request.name)
      const { object, json } = fromStorage(stored, request.resource, kind)
      return { type: 'object', code: 200, object, json }
    }
    case 'update':
      return updateObject(core, kind, request, rules)
    case 'patch':
      return patchObject(core, kind, request, rules)
    default:
      throw newMethodNotAllowed()
  }
}

/** The pod as it was but for its spec, with what every write of it carries: a change counts one generation more. */
export function withPodSpec(kept: Pod, next: KubeObject, spec: PodSpec, changed: boolean): Pod {
  const { managedFields, resourceVersion, uid } = next.metadata
  const { generation } = kept.metadata
  return {
    ...kept,
    metadata: {
      ...kept.metadata,
      uid,
      resourceVersion,
      ...(managedFields && { managedFields }),
      ...(changed && generation && { generation: increment(generation) }),
    },
    spec,
  }
}
