/** The answer to a review: what was posted, with its manager and the verdict. Reviews are answered and not kept. */
import { apiVersionOf } from '../../api/resource.ts'
import type { JsonObject } from '../../api/resource.ts'
import { updateManagedFields } from '../../merge/apply/update.ts'
import type { ApiRequest, ApiResult } from '../request.ts'

function managerOf({ query, userAgent }: ApiRequest): string {
  return query.get('fieldManager') || userAgent.split('/')[0] || 'unknown'
}

export function reviewResult(request: ApiRequest, status: object, nowMs: number): ApiResult {
  const { resource, body = {} } = request
  const apiVersion = apiVersionOf(resource)
  const { managedFields: _sent, ...metadata } = (body['metadata'] ?? {}) as JsonObject
  const { status: _status, ...asked } = body
  const after: JsonObject = { ...asked, kind: resource.kind, apiVersion, metadata }
  const managedFields = updateManagedFields({
    schema: resource.type,
    apiVersion,
    resetFields: undefined,
    before: undefined,
    after,
    manager: managerOf(request),
    nowMs,
  })
  const object = {
    kind: resource.kind,
    apiVersion,
    metadata: { ...metadata, ...(managedFields?.length && { managedFields }) },
    spec: body['spec'] ?? {},
    status,
  }
  return { type: 'object', code: 201, object: object as unknown as JsonObject }
}
