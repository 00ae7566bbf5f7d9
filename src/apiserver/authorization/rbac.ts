/**
 * Role-based access control. Bindings are indexed by subject, and what a user's bindings come to (in one namespace, with the
 * rules of their roles) is kept until any role or binding changes, so that a decision is a walk over a handful of rules.
 * Decisions, reasons and errors are upstream's (plugin/pkg/auth/authorizer/rbac, pkg/registry/rbac/validation).
 */
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject } from '../../api/kinds/rbac/v1.ts'
import type { RequestAttributes, UserInfo } from '../request.ts'
import { compactRules, describeRule, missingRights, ruleAllows } from './rules.ts'

/** Where roles and bindings are read; LiveObjects in the server, maps in tests. */
export interface RbacObjects {
  clusterRole(name: string): ClusterRole | undefined
  role(namespace: string, name: string): Role | undefined
  clusterRoleBindings(): Iterable<ClusterRoleBinding>
  roleBindings(): Iterable<RoleBinding>
}

interface Binding {
  name: string
  /** '' of a ClusterRoleBinding. */
  namespace: string
  roleRef: RoleRef
  subject: Subject
}

/** One binding that applies to a user, with the rules it brings; `error` where its role is missing. */
export interface Grant {
  binding: Binding
  rules: readonly PolicyRule[]
  error?: string
}

const MAX_CACHED_USERS = 4_096

/** The key under which a subject is looked up: users and service accounts by user name, groups apart from them. */
function subjectKey(subject: Subject, bindingNamespace: string): string {
  if (subject.kind === 'Group') return `g:${subject.name}`
  if (subject.kind === 'ServiceAccount') return `u:system:serviceaccount:${subject.namespace ?? bindingNamespace}:${subject.name}`
  return `u:${subject.name}`
}

function describeSubject(subject: Subject, namespace: string): string {
  if (subject.kind !== 'ServiceAccount') return `${subject.kind} ${JSON.stringify(subject.name)}`
  return `ServiceAccount ${JSON.stringify(`${subject.name}/${subject.namespace ?? namespace}`)}`
}

function describeGrant({ binding }: Grant): string {
  const { name, namespace, roleRef, subject } = binding
  const source = namespace ? `RoleBinding ${JSON.stringify(`${name}/${namespace}`)}` : `ClusterRoleBinding ${JSON.stringify(name)}`
  return `RBAC: allowed by ${source} of ${roleRef.kind} ${JSON.stringify(roleRef.name)} to ${describeSubject(subject, namespace)}`
}

export class Rbac {
  readonly #objects: RbacObjects
  #bySubject: Map<string, Binding[]> | undefined
  readonly #grants = new Map<string, readonly Grant[]>()

  constructor(objects: RbacObjects) {
    this.#objects = objects
  }

  /** To be called after every change of a role or binding. */
  invalidate(): void {
    this.#bySubject = undefined
    this.#grants.clear()
  }

  authorize(attributes: RequestAttributes): { allowed: boolean; reason: string } {
    const errors: string[] = []
    for (const grant of this.grants(attributes.user, attributes.namespace)) {
      if (grant.error) errors.push(grant.error)
      for (const rule of grant.rules) if (ruleAllows(rule, attributes)) return { allowed: true, reason: describeGrant(grant) }
    }
    if (errors.length === 0) return { allowed: false, reason: '' }
    const unique = [...new Set(errors)]
    return { allowed: false, reason: `RBAC: ${unique.length === 1 ? unique[0] : `[${unique.join(', ')}]`}` }
  }

  /** Everything that applies to a user: cluster-wide, and in `namespace` unless it is ''. */
  grants(user: UserInfo, namespace: string): readonly Grant[] {
    const key = `${user.name}\0${user.groups.join('\0')}\0\0${namespace}`
    const cached = this.#grants.get(key)
    if (cached) return cached
    const grants = this.#resolve(user, namespace)
    if (this.#grants.size >= MAX_CACHED_USERS) this.#grants.delete(this.#grants.keys().next().value as string)
    this.#grants.set(key, grants)
    return grants
  }

  rulesFor(user: UserInfo, namespace: string): PolicyRule[] {
    return this.grants(user, namespace).flatMap((grant) => [...grant.rules])
  }

  /** The rules that a binding would grant; undefined if the role is missing. */
  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    const role = roleRef.kind === 'ClusterRole' ? this.#objects.clusterRole(roleRef.name) : this.#objects.role(namespace, roleRef.name)
    return role && (role.rules ?? [])
  }

  #resolve(user: UserInfo, namespace: string): Grant[] {
    const index = (this.#bySubject ??= this.#index())
    const keys = [`u:${user.name}`, ...user.groups.map((group) => `g:${group}`)]
    const seen = new Set<string>()
    const cluster: Grant[] = []
    const local: Grant[] = []
    for (const key of keys) {
      for (const binding of index.get(key) ?? []) {
        if (binding.namespace !== '' && binding.namespace !== namespace) continue
        // A user that several subjects of one binding mean is granted its rules once.
        const id = `${binding.namespace}/${binding.name}`
        if (seen.has(id)) continue
        seen.add(id)
        const rules = this.rulesOf(binding.roleRef, binding.namespace)
        const grant = rules ? { binding, rules } : { binding, rules: [], error: this.#missing(binding.roleRef) }
        ;(binding.namespace === '' ? cluster : local).push(grant)
      }
    }
    return [...cluster, ...local]
  }

  #missing({ kind, name }: RoleRef): string {
    return `${kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(name)} not found`
  }

  #index(): Map<string, Binding[]> {
    const index = new Map<string, Binding[]>()
    const add = (object: ClusterRoleBinding | RoleBinding, namespace: string): void => {
      for (const subject of object.subjects ?? []) {
        const key = subjectKey(subject, namespace)
        const binding = { name: object.metadata.name, namespace, roleRef: object.roleRef, subject }
        const known = index.get(key)
        if (known) known.push(binding)
        else index.set(key, [binding])
      }
    }
    for (const binding of this.#objects.clusterRoleBindings()) add(binding, '')
    for (const binding of this.#objects.roleBindings()) add(binding, binding.metadata.namespace)
    return index
  }

  /**
   * Nobody may grant rights that they don't have themselves. Answers upstream's text for the Forbidden where `user` does not
   * hold all of `wanted` in `namespace` ('' for cluster roles), and undefined where they do.
   */
  escalation(user: UserInfo, namespace: string, wanted: readonly PolicyRule[]): string | undefined {
    const missing = missingRights(this.rulesFor(user, namespace), wanted)
    if (missing.length === 0) return undefined
    const groups = `[${user.groups.map((g) => JSON.stringify(g)).join(' ')}]`
    const described = [...new Set(compactRules(missing).map(describeRule))].sort().join('\n')
    return `user ${JSON.stringify(user.name)} (groups=${groups}) is attempting to grant RBAC permissions not currently held:\n${described}`
  }
}
