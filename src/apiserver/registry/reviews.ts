/** Reviews are answered and never stored, but their creation passes through admission as every other does. */
import type { ApiRequest } from '../request.ts'
import type { RegistryCore } from './registryCore.ts'
import { admissionRequest, bodyObject } from './writes.ts'
import type { JsonObject } from '../../api/resource.ts'

/** The request with what admission made of its body. */
export async function admitReview(core: RegistryCore, request: ApiRequest): Promise<ApiRequest> {
  if (request.verb !== 'create') return request
  const dryRun = request.query.getAll('dryRun').length > 0
  const admission = admissionRequest(request, core.kinds.of(request.resource), 'CREATE', bodyObject(request), undefined, { dryRun })
  await core.admission.admit(admission)
  await core.admission.validate(admission)
  return { ...request, body: admission.object as unknown as JsonObject }
}
