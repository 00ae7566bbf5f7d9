/** The request as webhooks and expressions see it: an AdmissionRequest (admission.k8s.io) without its objects. */
import type { GroupVersionKind } from '../../../api/catalog/catalog.ts'
import type { JsonObject } from '../../../api/resource.ts'
import type { AdmissionRequest } from '../admission.ts'
import { namespaceOf } from './rules.ts'
import type { Match } from './rules.ts'

export function requestView(request: AdmissionRequest, { resource, kind }: Match): JsonObject {
  const { requested, subresource, user } = request
  const namespace = namespaceOf(request)
  return {
    kind: kindView(kind),
    resource: resourceView(resource),
    ...(subresource && { subResource: subresource }),
    requestKind: kindView(request.kind),
    requestResource: resourceView(requested),
    ...(subresource && { requestSubResource: subresource }),
    ...(request.name && { name: request.name }),
    ...(namespace && { namespace }),
    operation: request.operation,
    userInfo: {
      username: user.name,
      ...(user.uid && { uid: user.uid }),
      ...(user.groups.length > 0 && { groups: [...user.groups] }),
      ...(Object.keys(user.extra).length > 0 && { extra: user.extra }),
    } as unknown as JsonObject,
    dryRun: request.dryRun,
    options: request.sentOptions?.() ?? null,
  }
}

const kindView = ({ group, version, kind }: GroupVersionKind): JsonObject => ({ group, version, kind })

const resourceView = ({ group, version, resource }: { group: string; version: string; resource: string }): JsonObject => ({
  group,
  version,
  resource,
})
