/**
 * May they? `system:masters` may everything; then the authorizers are asked in their order, the first that allows or denies
 * decides: the node authorizer and RBAC unless configured otherwise. These two decide at once, from the server's own view of the
 * objects; only where a webhook is asked does anybody wait.
 */
import type { Catalog } from '../../api/catalog/catalog.ts'
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/kinds/core/v1.ts'
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef } from '../../api/kinds/rbac/v1.ts'
import type { ResourceSlice } from '../../api/kinds/resource/v1.ts'
import type { VolumeAttachment } from '../../api/kinds/storage/v1.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { MASTERS_GROUP } from '../authentication/users.ts'
import type { AuthorizationMetrics } from '../metrics/authorizationMetrics.ts'
import type { Authorizer, Decision, Registry, RequestAttributes, UserInfo } from '../request.ts'
import type { AuthorizerConfiguration } from './configuration.ts'
import { LiveObjects } from './liveObjects.ts'
import { NodeAuthorizer } from './node.ts'
import { Rbac } from './rbac.ts'
import type { Opinion } from './webhook.ts'

/** One of those who are asked. */
export interface Link {
  type: AuthorizerConfiguration['type']
  name: string
  /** Of a webhook. */
  ask?: (attributes: RequestAttributes) => Opinion | Promise<Opinion>
}

export interface AuthorizationOptions {
  catalog: Catalog
  /** The node authorizer and RBAC unless given. */
  chain?: readonly Link[]
  metrics: AuthorizationMetrics
  log: Logger
  clock: Clock
}

/** As upstream names them where no file does. */
export const DEFAULT_CHAIN: readonly Link[] = [
  { type: 'Node', name: 'node' },
  { type: 'RBAC', name: 'rbac' },
]
const NO_OPINION = { allowed: false, reason: '' }

/** Nobody has allowed it. */
function undecided(opinions: readonly Opinion[]): Decision {
  const reason = opinions.flatMap((opinion) => opinion.reason || []).join('\n')
  const errors = [...new Set(opinions.flatMap(({ error }) => error ?? []))]
  if (errors.length === 0) return { allowed: false, reason }
  return { allowed: false, reason, error: errors.length === 1 ? (errors[0] as string) : `[${errors.join(', ')}]` }
}

const RBAC_GROUP = 'rbac.authorization.k8s.io'

export class Authorization implements Authorizer {
  readonly rbac: Rbac
  readonly #node: NodeAuthorizer
  readonly #live: readonly LiveObjects<KubeObject>[]
  readonly #metrics: AuthorizationMetrics
  #chain: readonly Link[]

  constructor(options: AuthorizationOptions) {
    const { catalog, chain = DEFAULT_CHAIN, metrics, ...rest } = options
    this.#chain = chain
    this.#metrics = metrics
    const follow = <T extends KubeObject>(
      group: string,
      name: string,
      onChange?: (before: T | undefined, after: T | undefined) => void,
    ): LiveObjects<T> => {
      const resource = catalog.resource(group, 'v1', name)
      if (!resource) throw new Error(`the catalog has no ${name}.${group}`)
      return new LiveObjects<T>({ ...rest, resource, ...(onChange && { onChange }) })
    }
    const changed = (): void => this.rbac.invalidate()
    const clusterRoles = follow<ClusterRole>(RBAC_GROUP, 'clusterroles', changed)
    const roles = follow<Role>(RBAC_GROUP, 'roles', changed)
    const clusterRoleBindings = follow<ClusterRoleBinding>(RBAC_GROUP, 'clusterrolebindings', changed)
    const roleBindings = follow<RoleBinding>(RBAC_GROUP, 'rolebindings', changed)
    const pods = follow<Pod>('', 'pods', (before, after) => this.#node.podChanged(before, after))
    const claims = follow<PersistentVolumeClaim>('', 'persistentvolumeclaims')
    const volumes = follow<PersistentVolume>('', 'persistentvolumes')
    const attachments = follow<VolumeAttachment>('storage.k8s.io', 'volumeattachments')
    const slices = follow<ResourceSlice>('resource.k8s.io', 'resourceslices')
    this.rbac = new Rbac({
      clusterRole: (name) => clusterRoles.get(name),
      role: (namespace, name) => roles.get(`${namespace}/${name}`),
      clusterRoleBindings: () => clusterRoleBindings.values(),
      roleBindings: () => roleBindings.values(),
    })
    this.#node = new NodeAuthorizer({
      nodeRules: () => clusterRoles.get('system:node')?.rules ?? [],
      relations: {
        claim: (namespace, name) => claims.get(`${namespace}/${name}`),
        volume: (name) => volumes.get(name),
        attachmentNode: (name) => attachments.get(name)?.spec.nodeName,
        sliceNode: (name) => slices.get(name)?.spec.nodeName,
      },
    })
    const live = [clusterRoles, roles, clusterRoleBindings, roleBindings, pods, claims, volumes, attachments, slices]
    this.#live = live as unknown as readonly LiveObjects<KubeObject>[]
  }

  /** Follows the objects that decisions are made on until the signal aborts; `synced` resolves when all are there. */
  run(registry: Registry, signal: AbortSignal): { synced: Promise<void>; done: Promise<void> } {
    const done = Promise.all(this.#live.map((live) => live.run(registry, signal))).then(() => {})
    return { synced: Promise.all(this.#live.map((live) => live.synced)).then(() => {}), done }
  }

  /** Others are asked from now on. */
  replace(chain: readonly Link[]): void {
    this.#chain = chain
  }

  /** Whose rules nobody can list. */
  get asksOutside(): boolean {
    return this.#chain.some(({ ask }) => ask)
  }

  authorize(attributes: RequestAttributes): Decision | Promise<Decision> {
    if (attributes.user.groups.includes(MASTERS_GROUP)) return { allowed: true, reason: '' }
    return this.#askFrom(0, this.#chain, attributes, [])
  }

  #askFrom(first: number, chain: readonly Link[], attributes: RequestAttributes, opinions: Opinion[]): Decision | Promise<Decision> {
    for (let i = first; i < chain.length; i++) {
      const link = chain[i] as Link
      const opinion = this.#opinion(link, attributes)
      if (opinion instanceof Promise) return this.#goOn(opinion, i, chain, attributes, opinions)
      const decided = this.#decided(link, opinion)
      if (decided) return decided
      opinions.push(opinion)
    }
    return undecided(opinions)
  }

  async #goOn(asked: Promise<Opinion>, i: number, ...rest: [readonly Link[], RequestAttributes, Opinion[]]): Promise<Decision> {
    const [chain, attributes, opinions] = rest
    const opinion = await asked
    return this.#decided(chain[i] as Link, opinion) ?? this.#askFrom(i + 1, chain, attributes, [...opinions, opinion])
  }

  #opinion({ type, ask }: Link, attributes: RequestAttributes): Opinion | Promise<Opinion> {
    if (ask) return ask(attributes)
    if (type === 'AlwaysAllow') return { verdict: 'allow', reason: '' }
    if (type === 'AlwaysDeny') return { verdict: 'no-opinion', reason: 'Everything is forbidden.' }
    const { allowed, reason } = (type === 'Node' ? this.#node.authorize(attributes) : this.rbac.authorize(attributes)) ?? NO_OPINION
    return { verdict: allowed ? 'allow' : 'no-opinion', reason }
  }

  #decided({ type, name }: Link, { verdict, reason, error }: Opinion): Decision | undefined {
    if (verdict === 'no-opinion') return undefined
    const allowed = verdict === 'allow'
    this.#metrics.decided(type, name, allowed ? 'allowed' : 'denied')
    return { allowed, reason, ...(!allowed && { denied: true }), ...(error !== undefined && { error }) }
  }

  escalation(user: UserInfo, namespace: string, rules: readonly PolicyRule[]): string | undefined {
    return user.groups.includes(MASTERS_GROUP) ? undefined : this.rbac.escalation(user, namespace, rules)
  }

  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    return this.rbac.rulesOf(roleRef, namespace)
  }
}
