/**
 * The node authorizer: a kubelet may read only what the pods bound to its node use, and write only what a kubelet writes.
 * The relationships come from the pods (and their claims and volumes) in the cache. Decisions and texts are upstream's
 * (plugin/pkg/auth/authorizer/node).
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/kinds/core/v1.ts'
import type { PolicyRule } from '../../api/kinds/rbac/v1.ts'
import { nodeNameOf } from '../authentication/users.ts'
import type { RequestAttributes } from '../request.ts'
import { ruleAllows } from './rules.ts'

export interface Decision {
  allowed: boolean
  reason: string
}

/** What the graph needs to see beside the pods. */
export interface NodeRelations {
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined
  volume(name: string): PersistentVolume | undefined
  /** The node that a VolumeAttachment is for. */
  attachmentNode(name: string): string | undefined
  sliceNode(name: string): string | undefined
}

const ALLOW: Decision = { allowed: true, reason: '' }
const NODE_LEASES = 'kube-node-lease'

const no = (reason: string): Decision => ({ allowed: false, reason })

interface Vertex {
  kind: string
  namespace: string
  name: string
}

const vertexKey = ({ kind, namespace, name }: Vertex): string => `${kind}/${namespace}/${name}`

function volumeVertices(pod: Pod, volume: Volume): Vertex[] {
  const { namespace } = pod.metadata
  const found: Vertex[] = []
  const add = (kind: string, name: string | undefined): void => {
    if (name) found.push({ kind, namespace, name })
  }
  add('secrets', volume.secret?.secretName)
  add('configmaps', volume.configMap?.name)
  add('persistentvolumeclaims', volume.persistentVolumeClaim?.claimName)
  if (volume.ephemeral) add('persistentvolumeclaims', `${pod.metadata.name}-${volume.name}`)
  for (const source of volume.projected?.sources ?? []) {
    add('secrets', source.secret?.name)
    add('configmaps', source.configMap?.name)
  }
  const byReference = [
    volume.csi?.nodePublishSecretRef,
    volume.cephfs?.secretRef,
    volume.flexVolume?.secretRef,
    volume.iscsi?.secretRef,
    volume.rbd?.secretRef,
    volume.scaleIO?.secretRef,
    volume.storageos?.secretRef,
  ]
  for (const reference of byReference) add('secrets', reference?.name)
  add('secrets', volume.azureFile?.secretName)
  return found
}

/** Everything in its namespace that a pod's spec refers to. Pure. */
export function podVertices(pod: Pod): Vertex[] {
  const { namespace, name } = pod.metadata
  const { spec } = pod
  const found: Vertex[] = [{ kind: 'pods', namespace, name }]
  const add = (kind: string, of: string | undefined): void => {
    if (of) found.push({ kind, namespace, name: of })
  }
  add('serviceaccounts', spec?.serviceAccountName)
  for (const secret of spec?.imagePullSecrets ?? []) add('secrets', secret.name)
  for (const container of [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...(spec?.ephemeralContainers ?? [])]) {
    for (const source of container.envFrom ?? []) {
      add('secrets', source.secretRef?.name)
      add('configmaps', source.configMapRef?.name)
    }
    for (const variable of container.env ?? []) {
      add('secrets', variable.valueFrom?.secretKeyRef?.name)
      add('configmaps', variable.valueFrom?.configMapKeyRef?.name)
    }
  }
  for (const volume of spec?.volumes ?? []) found.push(...volumeVertices(pod, volume))
  for (const claim of pod.status?.resourceClaimStatuses ?? []) add('resourceclaims', claim.resourceClaimName)
  for (const claim of spec?.resourceClaims ?? []) add('resourceclaims', claim.resourceClaimName)
  return found
}

export class NodeAuthorizer {
  readonly #relations: NodeRelations
  readonly #nodeRules: () => readonly PolicyRule[]
  /** By node: how many pods lead to each vertex. */
  readonly #byNode = new Map<string, Map<string, number>>()

  constructor(options: { relations: NodeRelations; nodeRules: () => readonly PolicyRule[] }) {
    this.#relations = options.relations
    this.#nodeRules = options.nodeRules
  }

  podChanged(before: Pod | undefined, after: Pod | undefined): void {
    if (before) this.#count(before, -1)
    if (after) this.#count(after, 1)
  }

  #count(pod: Pod, by: 1 | -1): void {
    const node = pod.spec?.nodeName
    if (!node) return
    let vertices = this.#byNode.get(node)
    if (!vertices) this.#byNode.set(node, (vertices = new Map()))
    for (const key of new Set(podVertices(pod).map(vertexKey))) {
      const count = (vertices.get(key) ?? 0) + by
      if (count > 0) vertices.set(key, count)
      else vertices.delete(key)
    }
    if (vertices.size === 0) this.#byNode.delete(node)
  }

  /** Undefined where the user is no node: the other authorizers decide. */
  authorize(attributes: RequestAttributes): Decision | undefined {
    const node = nodeNameOf(attributes.user)
    if (node === undefined) return undefined
    if (node === '') return no(`unknown node for user ${JSON.stringify(attributes.user.name)}`)
    return this.#decide(node, attributes) ?? (this.#nodeRules().some((rule) => ruleAllows(rule, attributes)) ? ALLOW : no(''))
  }

  #decide(node: string, a: RequestAttributes): Decision | undefined {
    switch (a.group ? `${a.resource}.${a.group}` : a.resource) {
      case 'secrets':
      case 'configmaps':
        return this.#readNamespaced(node, a)
      case 'persistentvolumeclaims':
        return a.subresource === 'status' ? this.#updateStatus(node, a) : this.#get(node, a)
      case 'persistentvolumes':
      case 'resourceclaims.resource.k8s.io':
      case 'volumeattachments.storage.k8s.io':
        return this.#get(node, a)
      case 'serviceaccounts':
        return a.verb === 'get' && a.subresource === '' ? this.#readNamespaced(node, a) : this.#createToken(node, a)
      case 'leases.coordination.k8s.io':
        return lease(node, a)
      case 'csinodes.storage.k8s.io':
        return csiNode(node, a)
      case 'resourceslices.resource.k8s.io':
        return this.#resourceSlice(node, a)
      case 'nodes':
        return ownNode(node, a)
      case 'pods':
        return this.#pod(node, a)
      default:
        return undefined
    }
  }

  #readNamespaced(node: string, a: RequestAttributes): Decision {
    if (a.verb !== 'get' && a.verb !== 'list' && a.verb !== 'watch') return no('can only read resources of this type')
    if (a.subresource !== '') return no('cannot read subresource')
    if (a.namespace === '') return no('can only read namespaced object of this type')
    return this.#related(node, a)
  }

  #get(node: string, a: RequestAttributes): Decision {
    if (a.verb !== 'get') return no('can only get individual resources of this type')
    if (a.subresource !== '') return no('cannot get subresource')
    return this.#related(node, a)
  }

  #updateStatus(node: string, a: RequestAttributes): Decision {
    if (a.verb !== 'update' && a.verb !== 'patch') return no('can only get/update/patch this type')
    return this.#related(node, a)
  }

  #createToken(node: string, a: RequestAttributes): Decision {
    if (a.verb !== 'create' || a.name === '') return no('can only create tokens for individual service accounts')
    if (a.subresource !== 'token') return no('can only create token subresource of serviceaccount')
    return this.#related(node, a)
  }

  #related(node: string, a: RequestAttributes): Decision {
    if (a.name === '') return no('No Object name found')
    return this.#hasPath(node, a) ? ALLOW : no(`no relationship found between node '${node}' and this object`)
  }

  #hasPath(node: string, { resource, namespace, name }: RequestAttributes): boolean {
    const uses = this.#byNode.get(node)
    if (resource === 'volumeattachments') return this.#relations.attachmentNode(name) === node
    if (resource === 'resourceslices') return this.#relations.sliceNode(name) === node
    if (!uses) return false
    if (uses.has(vertexKey({ kind: resource, namespace, name }))) return true
    if (resource === 'persistentvolumes') return this.#volumeUsed(uses, name)
    return resource === 'secrets' && this.#secretOfVolume(uses, namespace, name)
  }

  #volumeUsed(uses: ReadonlyMap<string, number>, name: string): boolean {
    const claim = this.#relations.volume(name)?.spec?.claimRef
    if (!claim?.namespace || !claim.name) return false
    return uses.has(vertexKey({ kind: 'persistentvolumeclaims', namespace: claim.namespace, name: claim.name }))
  }

  /** A volume's own secrets may be read by the nodes whose pods claim the volume. */
  #secretOfVolume(uses: ReadonlyMap<string, number>, namespace: string, name: string): boolean {
    for (const key of uses.keys()) {
      const [kind, claimNamespace = '', claimName = ''] = key.split('/')
      if (kind !== 'persistentvolumeclaims') continue
      const volumeName = this.#relations.claim(claimNamespace, claimName)?.spec?.volumeName
      const csi = volumeName ? this.#relations.volume(volumeName)?.spec?.csi : undefined
      const references = [csi?.nodePublishSecretRef, csi?.nodeStageSecretRef, csi?.nodeExpandSecretRef]
      if (references.some((reference) => reference?.name === name && reference.namespace === namespace)) return true
    }
    return false
  }

  #resourceSlice(node: string, a: RequestAttributes): Decision {
    if (a.subresource !== '') return no('cannot authorize ResourceSlice subresources')
    switch (a.verb) {
      case 'create':
        return ALLOW
      case 'get':
      case 'update':
      case 'patch':
      case 'delete':
        return this.#related(node, a)
      case 'watch':
      case 'list':
      case 'deletecollection':
        return selects(a, 'spec.nodeName', node)
          ? ALLOW
          : no('can only list/watch/deletecollection resourceslices with nodeName field selector')
      default:
        return no(
          'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
        )
    }
  }

  #pod(node: string, a: RequestAttributes): Decision {
    if (a.subresource === 'status') return a.verb === 'update' || a.verb === 'patch' ? ALLOW : no('')
    if (a.subresource === 'eviction') return a.verb === 'create' ? ALLOW : no('')
    if (a.subresource !== '') return no('')
    switch (a.verb) {
      case 'get':
        return this.#get(node, a)
      case 'list':
      case 'watch':
        if (selects(a, 'spec.nodeName', node)) return ALLOW
        return a.name !== '' ? this.#related(node, a) : no('can only list/watch pods with spec.nodeName field selector')
      case 'create':
      case 'delete':
        return ALLOW
      default:
        return no('')
    }
  }
}

/** Whether a field selector requires `field=value`. */
function selects(a: RequestAttributes, field: string, value: string): boolean {
  return (a.fieldSelector ?? '').split(',').some((part) => part === `${field}=${value}` || part === `${field}==${value}`)
}

const OBJECT_VERBS = new Set(['get', 'create', 'update', 'patch', 'delete'])

function lease(node: string, a: RequestAttributes): Decision {
  if (!OBJECT_VERBS.has(a.verb)) return no('can only get, create, update, patch, or delete a node lease')
  if (a.namespace !== NODE_LEASES) return no(`can only access leases in the "${NODE_LEASES}" system namespace`)
  if (a.verb !== 'create' && a.name !== node) return no('can only access node lease with the same name as the requesting node')
  return ALLOW
}

function csiNode(node: string, a: RequestAttributes): Decision {
  if (!OBJECT_VERBS.has(a.verb)) return no('can only get, create, update, patch, or delete a CSINode')
  if (a.subresource !== '') return no('cannot authorize CSINode subresources')
  if (a.verb !== 'create' && a.name !== node) return no('can only access CSINode with the same name as the requesting node')
  return ALLOW
}

/** Which Node object a kubelet may write is for the NodeRestriction admission plugin. */
function ownNode(node: string, a: RequestAttributes): Decision {
  if (a.subresource === 'status') return a.verb === 'update' || a.verb === 'patch' ? ALLOW : no('')
  if (a.subresource !== '') return no('')
  if (a.verb === 'create' || a.verb === 'update' || a.verb === 'patch') return ALLOW
  if (a.verb !== 'get' && a.verb !== 'list' && a.verb !== 'watch') return no('')
  if (a.name === node) return ALLOW
  if (a.name === '') return no(`node '${node}' cannot read all nodes, only its own Node object`)
  return no(`node '${node}' cannot read '${a.name}', only its own Node object`)
}
