/** Which FlowSchema a request belongs to, and which flow of it (flowcontrol.apiserver.k8s.io's rules). Pure. */
import type { FlowSchema, NonResourcePolicyRule, ResourcePolicyRule, Subject } from '../../api/kinds/flowcontrol/v1.ts'
import type { UserInfo } from '../request.ts'

/** What rules look at of a request. */
export interface FlowRequest {
  isResourceRequest: boolean
  verb: string
  group: string
  resource: string
  subresource: string
  namespace: string
  path: string
}

/** `wildcard` counts where it is the only member, as validation wants it. */
function contains(list: readonly string[], wanted: string): boolean {
  return (list.length === 1 && list[0] === '*') || list.includes(wanted)
}

function matchesSubject({ name, groups }: UserInfo, { kind, user, group, serviceAccount }: Subject): boolean {
  switch (kind) {
    case 'User':
      return user !== undefined && (user.name === '*' || user.name === name)
    case 'Group':
      return group !== undefined && (group.name === '*' || groups.includes(group.name))
    case 'ServiceAccount': {
      if (!serviceAccount) return false
      const prefix = `system:serviceaccount:${serviceAccount.namespace}:`
      return serviceAccount.name === '*' ? name.startsWith(prefix) : name === prefix + serviceAccount.name
    }
    default:
      return false
  }
}

function matchesResource(request: FlowRequest, rule: ResourcePolicyRule): boolean {
  const resource = request.subresource ? `${request.resource}/${request.subresource}` : request.resource
  if (!contains(rule.verbs, request.verb) || !contains(rule.resources, resource) || !contains(rule.apiGroups, request.group)) return false
  return request.namespace === '' ? rule.clusterScope === true : contains(rule.namespaces ?? [], request.namespace)
}

function matchesPath(path: string, url: string): boolean {
  if (url === '*' || url === path) return true
  const prefix = url.endsWith('*') ? url.slice(0, -1) : url
  return path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`)
}

function matchesNonResource({ verb, path }: FlowRequest, { verbs, nonResourceURLs }: NonResourcePolicyRule): boolean {
  return contains(verbs, verb) && nonResourceURLs.some((url) => matchesPath(path, url))
}

export function matchesSchema(schema: FlowSchema, user: UserInfo, request: FlowRequest): boolean {
  return (schema.spec.rules ?? []).some(({ subjects, resourceRules = [], nonResourceRules = [] }) => {
    if (!subjects.some((subject) => matchesSubject(user, subject))) return false
    return request.isResourceRequest
      ? resourceRules.some((rule) => matchesResource(request, rule))
      : nonResourceRules.some((rule) => matchesNonResource(request, rule))
  })
}

/** Requests of one flow wait in the same few queues. */
export function distinguisherOf(schema: FlowSchema, user: UserInfo, request: FlowRequest): string {
  switch (schema.spec.distinguisherMethod?.type) {
    case 'ByUser':
      return user.name
    case 'ByNamespace':
      return request.namespace
    default:
      return ''
  }
}

/** The order that schemas are asked in. */
export function inPrecedence(schemas: Iterable<FlowSchema>): FlowSchema[] {
  const precedence = ({ spec }: FlowSchema): number => spec.matchingPrecedence ?? 1000
  return [...schemas].sort((a, b) => precedence(a) - precedence(b) || (a.metadata.name < b.metadata.name ? -1 : 1))
}
