/**
 * Acting as somebody else (`kubectl --as`). Two ways to be allowed: constrained impersonation (verbs `impersonate:<mode>` on
 * the user and `impersonate-on:<mode>:<verb>` on what the request does; on by default in 1.36), and the older verb
 * `impersonate`. The first refusal is the one that is told.
 */
import { newBadRequest } from '../../api/status.ts'
import type { Authorizer, RequestAttributes, UserInfo } from '../request.ts'
import { newForbiddenFor } from '../authorization/forbidden.ts'
import { extraOfHeaders, hasHeaderWith, headerValues } from './requestHeader.ts'
import type { RawHeaders } from './requestHeader.ts'
import {
  ANONYMOUS,
  AUTHENTICATED_GROUP,
  MASTERS_GROUP,
  NODES_GROUP,
  NODE_USER_PREFIX,
  UNAUTHENTICATED_GROUP,
  parseServiceAccountUserName,
  serviceAccountGroups,
} from './users.ts'

const EXTRA_PREFIX = 'impersonate-extra-'

interface Wanted {
  name: string
  uid: string
  groups: string[]
  extra: Record<string, string[]>
}

/** Go's `%#v` of a user, as upstream prints it. */
function goSyntax(user: Wanted): string {
  const strings = (values: readonly string[]): string => `[]string{${values.map((v) => JSON.stringify(v)).join(', ')}}`
  const groups = user.groups.length > 0 ? strings(user.groups) : '[]string(nil)'
  const keys = Object.keys(user.extra).sort()
  const extra =
    keys.length > 0
      ? `map[string][]string{${keys.map((k) => `${JSON.stringify(k)}:${strings(user.extra[k] ?? [])}`).join(', ')}}`
      : 'map[string][]string(nil)'
  return `&user.DefaultInfo{Name:${JSON.stringify(user.name)}, UID:${JSON.stringify(user.uid)}, Groups:${groups}, Extra:${extra}}`
}

function wantedUser(headers: RawHeaders): Wanted | undefined {
  const wanted: Wanted = {
    name: headerValues(headers, 'impersonate-user')[0] ?? '',
    uid: headerValues(headers, 'impersonate-uid')[0] ?? '',
    groups: headerValues(headers, 'impersonate-group'),
    extra: extraOfHeaders(headers, EXTRA_PREFIX),
  }
  const more = wanted.uid !== '' || wanted.groups.length > 0 || Object.keys(wanted.extra).length > 0
  if (wanted.name === '') {
    if (more) throw newBadRequest(`requested ${goSyntax(wanted)} without impersonating a user name`)
    return undefined
  }
  return wanted
}

type Mode = 'associated-node' | 'arbitrary-node' | 'serviceaccount' | 'user-info' | 'legacy'

function nodeOf(name: string): string | undefined {
  return name.startsWith(NODE_USER_PREFIX) && name.length > NODE_USER_PREFIX.length ? name.slice(NODE_USER_PREFIX.length) : undefined
}

function modesFor(wanted: Wanted, requestor: UserInfo): Mode[] {
  const onlyName = wanted.uid === '' && wanted.groups.length === 0 && Object.keys(wanted.extra).length === 0
  const node = nodeOf(wanted.name)
  const serviceAccount = parseServiceAccountUserName(wanted.name)
  const modes: Mode[] = []
  if (onlyName && node && requestor.extra['authentication.kubernetes.io/node-name']?.[0] === node) modes.push('associated-node')
  if (onlyName && node) modes.push('arbitrary-node')
  if (onlyName && serviceAccount) modes.push('serviceaccount')
  if (!node && !serviceAccount) modes.push('user-info')
  modes.push('legacy')
  return modes
}

/** Each right that acting as `wanted` takes in one mode, in the order of asking. */
function requiredRights(mode: Mode, wanted: Wanted, request: RequestAttributes): RequestAttributes[] {
  const constrained = mode !== 'legacy'
  const verb = constrained ? `impersonate:${mode}` : 'impersonate'
  const group = constrained ? 'authentication.k8s.io' : ''
  const right = (resource: string, name: string, more: Partial<RequestAttributes> = {}): RequestAttributes => ({
    user: request.user,
    verb,
    group,
    version: 'v1',
    resource,
    subresource: '',
    namespace: '',
    name,
    path: '',
    ...more,
  })
  const rights: RequestAttributes[] = constrained ? [{ ...request, verb: `impersonate-on:${mode}:${request.verb}` }] : []
  const account = parseServiceAccountUserName(wanted.name)
  const node = constrained ? nodeOf(wanted.name) : undefined
  if (node) rights.push(right('nodes', mode === 'associated-node' ? '*' : node))
  else if (account) rights.push(right('serviceaccounts', account.name, { namespace: account.namespace }))
  else rights.push(right('users', wanted.name))
  if (wanted.uid) rights.push(right('uids', wanted.uid, { group: 'authentication.k8s.io' }))
  for (const name of wanted.groups) rights.push(right('groups', name))
  for (const [key, values] of Object.entries(wanted.extra)) {
    for (const value of values) rights.push(right('userextras', value, { group: 'authentication.k8s.io', subresource: key }))
  }
  return rights
}

async function refusal(mode: Mode, wanted: Wanted, request: RequestAttributes, authorizer: Authorizer): Promise<Error | undefined> {
  for (const right of requiredRights(mode, wanted, request)) {
    if (mode !== 'legacy' && right.resource === 'groups' && (right.name === MASTERS_GROUP || right.name === '')) {
      const why =
        right.name === '' ? 'impersonating the empty string group is not allowed' : 'impersonating the system:masters group is not allowed'
      return newForbiddenFor(right, why)
    }
    const { allowed, reason } = await authorizer.authorize(right)
    if (!allowed) return newForbiddenFor(right, reason)
  }
  return undefined
}

function impersonated(mode: Mode, wanted: Wanted): UserInfo {
  const account = parseServiceAccountUserName(wanted.name)
  let groups = wanted.groups
  if (mode !== 'legacy' && nodeOf(wanted.name)) groups = [NODES_GROUP]
  if (account && groups.length === 0) groups = serviceAccountGroups(account.namespace)
  const implied =
    wanted.name === ANONYMOUS.name ? UNAUTHENTICATED_GROUP : groups.includes(UNAUTHENTICATED_GROUP) ? undefined : AUTHENTICATED_GROUP
  if (implied && !groups.includes(implied)) groups = [...groups, implied]
  return { name: wanted.name, ...(wanted.uid && { uid: wanted.uid }), groups, extra: wanted.extra }
}

export interface Impersonation {
  user: UserInfo
  /** The verb that allowed it, where that was not the older one. */
  constraint?: string
}

/** Requestors whose last mode is kept in mind. */
const REMEMBERED_MAX = 10_000

export class Impersonator {
  readonly #authorizer: Authorizer
  /** What has worked for a requestor is tried first, as upstream does: which of several modes it is decides about groups. */
  readonly #lastModes = new Map<string, Mode>()

  constructor(authorizer: Authorizer) {
    this.#authorizer = authorizer
  }

  /** The user to go on with: the one asked for, or the requestor where none is. Throws 400 or 403. */
  impersonate(headers: RawHeaders, request: RequestAttributes): Impersonation | Promise<Impersonation> {
    const wanted = hasHeaderWith('impersonate-', headers) ? wantedUser(headers) : undefined
    return wanted ? this.#asWanted(wanted, request) : { user: request.user }
  }

  async #asWanted(wanted: Wanted, request: RequestAttributes): Promise<Impersonation> {
    let first: Error | undefined
    for (const mode of this.#inOrder(request.user.name, modesFor(wanted, request.user))) {
      const refused = await refusal(mode, wanted, request, this.#authorizer)
      if (!refused) {
        this.#remember(request.user.name, mode)
        return { user: impersonated(mode, wanted), ...(mode !== 'legacy' && { constraint: `impersonate:${mode}` }) }
      }
      first ??= refused
    }
    throw first
  }

  #inOrder(requestor: string, modes: readonly Mode[]): readonly Mode[] {
    const last = this.#lastModes.get(requestor)
    return last && modes.includes(last) ? [last, ...modes.filter((mode) => mode !== last)] : modes
  }

  #remember(requestor: string, mode: Mode): void {
    if (this.#lastModes.get(requestor) === mode) return
    this.#lastModes.delete(requestor)
    if (this.#lastModes.size >= REMEMBERED_MAX) this.#lastModes.delete(this.#lastModes.keys().next().value as string)
    this.#lastModes.set(requestor, mode)
  }
}
