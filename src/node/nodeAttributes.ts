/** What is asked of the authorizer when somebody calls a kubelet: upstream's node subresources. */
import type { RequestAttributes } from '../apiserver/request.ts'
import type { KubeletAccess, KubeletCaller } from '../kubelet/server/authentication.ts'

export function nodeAttributes(caller: KubeletCaller, access: KubeletAccess, nodeName: string): RequestAttributes {
  return {
    user: { name: caller.name, groups: caller.groups, extra: caller.extra },
    verb: access.verb,
    group: '',
    version: 'v1',
    resource: 'nodes',
    subresource: access.subresource,
    namespace: '',
    name: nodeName,
    path: '',
  }
}
