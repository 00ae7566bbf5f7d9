/** Kubernetes' own user and group names, and what every authenticated user gets. */
import { isDns1123Label, isDns1123Subdomain } from '../../api/validation/names.ts'
import type { UserInfo } from '../request.ts'

export const MASTERS_GROUP = 'system:masters'
export const AUTHENTICATED_GROUP = 'system:authenticated'
export const UNAUTHENTICATED_GROUP = 'system:unauthenticated'
export const NODES_GROUP = 'system:nodes'
export const NODE_USER_PREFIX = 'system:node:'
const SERVICE_ACCOUNT_PREFIX = 'system:serviceaccount:'

export const ANONYMOUS: UserInfo = { name: 'system:anonymous', groups: [UNAUTHENTICATED_GROUP], extra: {} }

/** The API server itself, when it calls its own registry. */
export const LOOPBACK_USER: UserInfo = { name: 'system:apiserver', groups: [MASTERS_GROUP, AUTHENTICATED_GROUP], extra: {} }

export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  if (user.name === ANONYMOUS.name || user.groups.some((group) => group === AUTHENTICATED_GROUP || group === UNAUTHENTICATED_GROUP))
    return user
  return { ...user, groups: [...user.groups, AUTHENTICATED_GROUP] }
}

export function serviceAccountUserName(namespace: string, name: string): string {
  return `${SERVICE_ACCOUNT_PREFIX}${namespace}:${name}`
}

export function serviceAccountGroups(namespace: string): string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
}

/** Namespace and name of a service account's user name. */
export function parseServiceAccountUserName(user: string): { namespace: string; name: string } | undefined {
  if (!user.startsWith(SERVICE_ACCOUNT_PREFIX)) return undefined
  const [namespace = '', name = '', ...more] = user.slice(SERVICE_ACCOUNT_PREFIX.length).split(':')
  const isValid = isDns1123Label(namespace).length === 0 && isDns1123Subdomain(name).length === 0
  return more.length === 0 && isValid ? { namespace, name } : undefined
}

/** The node that a user is, if it is one. */
export function nodeNameOf(user: UserInfo): string | undefined {
  if (!user.name.startsWith(NODE_USER_PREFIX) || !user.groups.includes(NODES_GROUP)) return undefined
  return user.name.slice(NODE_USER_PREFIX.length)
}
