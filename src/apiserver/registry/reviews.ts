/** Reviews are answered and never stored, but their creation passes through admission as every other does. */
import type { ApiRequest } from '../request.ts'
import type { RegistryCore } from './registryCore.ts'
import { admissionRequest, bodyObject } from './writes.ts'
import { matchNamespace, wipeSystemFields } from './objectMeta.ts'
import type { JsonObject } from '../../api/resource.ts'

/** The request with what admission made of its body. */
export async function admitReview(core: RegistryCore, request: ApiRequest): Promise<ApiRequest> {
  if (request.verb !== 'create') return request
  const dryRun = request.query.getAll('dryRun').length > 0
  const review = bodyObject(request)
  matchNamespace(review, request.resource, request.namespace)
  wipeSystemFields(review.metadata)
  const admission = admissionRequest(request, core.kinds.of(request.resource), 'CREATE', review, undefined, { dryRun })
  await core.admission.admit(admission)
  await core.admission.validate(admission)
  return { ...request, body: admission.object as unknown as JsonObject }
}
