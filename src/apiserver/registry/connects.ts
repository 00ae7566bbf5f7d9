/** CONNECT: requests that lead to something else (exec, attach, port-forward, proxy) pass through admission as well. */
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import type { AdmissionRequest } from '../admission/admission.ts'
import type { ApiRequest } from '../request.ts'
import type { StoredKind } from './kind.ts'
import { admissionRequest } from './writes.ts'

export function connectRequest(request: ApiRequest, kind: StoredKind, options: JsonObject): AdmissionRequest {
  const object = options as unknown as KubeObject
  const { sentOptions: _, ...admission } = admissionRequest(request, kind, 'CONNECT', object, undefined, { dryRun: false })
  return admission
}
