/**
 * Who writes roles and bindings may grant no more than they hold (upstream's policy-based RBAC storage), unless the verb
 * `escalate` on the role or `bind` on the role that is bound says otherwise. An admission plugin, so that it sees the object as it would be stored.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ClusterRole, PolicyRule, Role, RoleBinding, RoleRef } from '../../api/kinds/rbac/v1.ts'
import type { KubeObject } from '../../api/resource.ts'
import { quote } from '../../api/quote.ts'
import { newBadRequest, newForbidden, newNotFound, newStatusError } from '../../api/status.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../admission/admission.ts'
import type { Authorizer, RequestAttributes } from '../request.ts'

const GROUP = 'rbac.authorization.k8s.io'

async function may(
  authorizer: Authorizer,
  { user, resource, namespace }: AdmissionRequest,
  verb: string,
  on: { resource: string; name: string },
): Promise<boolean> {
  const attributes: RequestAttributes = {
    user,
    verb,
    group: GROUP,
    version: resource.version,
    resource: on.resource,
    subresource: '',
    namespace,
    name: on.name,
    path: '',
  }
  return (await authorizer.authorize(attributes)).allowed
}

/** An authorizer that cannot tell what anybody holds lets nobody grant anything. */
function escalation(authorizer: Authorizer, { user, namespace }: AdmissionRequest, rules: readonly PolicyRule[]): string | undefined {
  return authorizer.escalation
    ? authorizer.escalation(user, namespace, rules)
    : `user ${JSON.stringify(user.name)} may not grant permissions`
}

/** What the garbage collector needs to change, whatever the role grants. */
function onlyForCollection(object: KubeObject, old: KubeObject | undefined): boolean {
  if (!old) return false
  const rest = ({ metadata, ...others }: KubeObject): object => {
    const { ownerReferences: _o, finalizers: _f, managedFields: _m, resourceVersion: _r, ...kept } = metadata
    return { ...others, metadata: kept }
  }
  return isDeepStrictEqual(rest(object), rest(old))
}

function nameOf({ name, object }: AdmissionRequest): string {
  return name || (object?.metadata.name ?? '')
}

/** What an aggregated role will come to is not known: it takes all rights to make one. */
const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
]

function aggregates(role: Role | ClusterRole | undefined): boolean {
  return role !== undefined && 'aggregationRule' in role && (role.aggregationRule?.clusterRoleSelectors ?? []).length > 0
}

async function checkRole(authorizer: Authorizer, request: AdmissionRequest): Promise<void> {
  const role = request.object as Role | ClusterRole
  const old = request.oldObject as Role | ClusterRole | undefined
  if (onlyForCollection(role, old)) return
  // A role that is yet to be made is none that a name in a rule could mean.
  const name = request.operation === 'CREATE' ? '' : request.name
  if (await may(authorizer, request, 'escalate', { resource: request.resource.resource, name })) return
  const why = escalation(authorizer, request, role.rules ?? [])
  if (why) throw newForbidden(request.resource, nameOf(request), why)
  if ((aggregates(role) || aggregates(old)) && escalation(authorizer, request, EVERYTHING))
    throw newForbidden(request.resource, nameOf(request), 'must have cluster-admin privileges to use the aggregationRule')
}

/** Nobody has said yet that the reference is a sound one. */
function rulesOf(authorizer: Authorizer, request: AdmissionRequest, roleRef: RoleRef): readonly PolicyRule[] {
  const { kind, name } = roleRef
  if (kind !== 'Role' && kind !== 'ClusterRole') throw newStatusError(500, '', `unsupported role reference kind: ${quote(kind ?? '')}`)
  if (kind === 'Role' && request.namespace === '') throw newBadRequest('Namespace parameter required.')
  if (!name) throw newBadRequest('Name parameter required.')
  const rules = authorizer.rulesOf?.(roleRef, request.namespace)
  if (!rules) throw newNotFound(request.resource, name)
  return rules
}

function resourceOf({ kind }: RoleRef): string {
  return kind === 'ClusterRole' ? 'clusterroles' : 'roles'
}

async function checkBinding(authorizer: Authorizer, request: AdmissionRequest): Promise<void> {
  const binding = request.object as RoleBinding
  const old = request.oldObject as RoleBinding | undefined
  if (onlyForCollection(binding, old)) return
  const { roleRef } = binding
  if (await may(authorizer, request, 'bind', { resource: resourceOf(roleRef), name: roleRef.name })) return
  const why = escalation(authorizer, request, rulesOf(authorizer, request, roleRef))
  if (why) throw newForbidden(request.resource, nameOf(request), why)
}

export function createEscalationCheck(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'RBACEscalationCheck',
    async inspect(request) {
      if (request.resource.group !== GROUP || request.operation === 'DELETE' || !request.object) return
      if (request.user.groups.includes('system:masters')) return
      const { resource } = request.resource
      if (resource === 'roles' || resource === 'clusterroles') await checkRole(authorizer, request)
      else if (resource === 'rolebindings' || resource === 'clusterrolebindings') await checkBinding(authorizer, request)
    },
  }
}
