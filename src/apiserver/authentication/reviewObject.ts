/** The answer to a review: what was posted, with its manager and the verdict. Reviews are answered and not kept. */
import { withoutEmptyOnes } from '../../api/codec/json.ts'
import { apiVersionOf } from '../../api/resource.ts'
import type { JsonObject } from '../../api/resource.ts'
import { updateManagedFields } from '../../merge/apply/update.ts'
import type { ApiRequest, ApiResult } from '../request.ts'

function managerOf({ query, userAgent }: ApiRequest): string {
  return query.get('fieldManager') || userAgent.split('/')[0] || 'unknown'
}

/** The metadata of a review as it is answered: what was posted, and who posted it. */
export function reviewMetadata(request: ApiRequest, nowMs: number): JsonObject {
  const { resource, body = {} } = request
  const apiVersion = apiVersionOf(resource)
  const { managedFields: _sent, creationTimestamp: _created, ...posted } = (body['metadata'] ?? {}) as JsonObject
  const { name, generateName, namespace: _posted, ...rest } = posted
  // In the order of ObjectMeta, which messages show.
  const metadata: JsonObject = {
    ...(name !== undefined && { name }),
    ...(generateName !== undefined && { generateName }),
    ...(resource.namespaced && { namespace: request.namespace }),
    ...rest,
  }
  const { status, ...asked }: JsonObject = withoutEmptyOnes({ ...body, kind: resource.kind, apiVersion, metadata }, resource.type)
  const managedFields = updateManagedFields({
    schema: resource.type,
    apiVersion,
    resetFields: undefined,
    before: { apiVersion, kind: resource.kind },
    after: { ...asked, status: withoutZeros(status as JsonObject | undefined) },
    manager: managerOf(request),
    nowMs,
  })
  return { ...metadata, ...(managedFields?.length && { managedFields: managedFields as unknown as JsonObject[] }) }
}

/** A verdict that nobody posted is nobody's: Go's zero of it stands in an empty review, too. */
function withoutZeros(status: JsonObject = {}): JsonObject {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== false && value !== '' && JSON.stringify(value) !== '{}'))
}

export function reviewResult(request: ApiRequest, status: object, nowMs: number): ApiResult {
  const { resource, body = {} } = request
  const object = {
    kind: resource.kind,
    apiVersion: apiVersionOf(resource),
    metadata: reviewMetadata(request, nowMs),
    spec: body['spec'] ?? {},
    status,
  }
  return { type: 'object', code: 201, object: withoutEmptyOnes(object as unknown as JsonObject, resource.type) }
}
