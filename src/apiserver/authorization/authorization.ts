/**
 * May they? `system:masters` may everything; then the node authorizer and RBAC are asked, and one that allows is enough.
 * All three decide at once, from the server's own view of the objects, never waiting for anything.
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
import type { Authorizer, Registry, RequestAttributes, UserInfo } from '../request.ts'
import { LiveObjects } from './liveObjects.ts'
import { NodeAuthorizer } from './node.ts'
import { Rbac } from './rbac.ts'

export interface AuthorizationOptions {
  catalog: Catalog
  log: Logger
  clock: Clock
}

const RBAC_GROUP = 'rbac.authorization.k8s.io'

export class Authorization implements Authorizer {
  readonly rbac: Rbac
  readonly #node: NodeAuthorizer
  readonly #live: readonly LiveObjects<KubeObject>[]

  constructor(options: AuthorizationOptions) {
    const { catalog, ...rest } = options
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

  authorize(attributes: RequestAttributes): { allowed: boolean; reason: string } {
    if (attributes.user.groups.includes(MASTERS_GROUP)) return { allowed: true, reason: '' }
    const byNode = this.#node.authorize(attributes)
    if (byNode?.allowed) return byNode
    const byRbac = this.rbac.authorize(attributes)
    if (byRbac.allowed || !byNode?.reason) return byRbac
    return { allowed: false, reason: byRbac.reason ? `${byNode.reason}\n${byRbac.reason}` : byNode.reason }
  }

  escalation(user: UserInfo, namespace: string, rules: readonly PolicyRule[]): string | undefined {
    return user.groups.includes(MASTERS_GROUP) ? undefined : this.rbac.escalation(user, namespace, rules)
  }

  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    return this.rbac.rulesOf(roleRef, namespace)
  }
}
