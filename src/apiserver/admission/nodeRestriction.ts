/** NodeRestriction: a kubelet changes its own node and the pods bound to it, and nothing else. */
import { forbid, isResource } from './admission.ts'
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import type { Lease } from '../../api/kinds/coordination/v1.ts'
import type { ObjectReader } from '../registry/reader.ts'
import { pods } from '../../api/kinds/core/v1.ts'
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts'

const USER_PREFIX = 'system:node:'
const LEASE_NAMESPACE = 'kube-node-lease'
const MIRROR = 'kubernetes.io/config.mirror'

function nodeNameOf(request: AdmissionRequest): string | undefined {
  const { name, groups } = request.user
  return groups.includes('system:nodes') && name.startsWith(USER_PREFIX) ? name.slice(USER_PREFIX.length) : undefined
}

function checkPod(request: AdmissionRequest, node: string, reader: ObjectReader): void {
  const quoted = JSON.stringify(node)
  switch (request.operation) {
    case 'CREATE': {
      if (request.subresource === 'eviction' || request.subresource === 'binding') {
        const bound = reader.get(pods, request.namespace, request.name)?.spec.nodeName
        if (request.subresource === 'eviction' && bound === node) return
        throw forbid(request, `node ${quoted} can only evict pods with spec.nodeName set to itself`)
      }
      const pod = request.object as Pod
      if (pod.metadata.annotations?.[MIRROR] === undefined)
        throw forbid(request, `pod does not have ${JSON.stringify(MIRROR)} annotation, node ${quoted} can only create mirror pods`)
      if (pod.spec?.nodeName !== node) throw forbid(request, `node ${quoted} can only create pods with spec.nodeName set to itself`)
      return
    }
    case 'UPDATE':
      if (request.subresource !== 'status')
        throw forbid(request, `unexpected operation "UPDATE", node ${quoted} can only create and delete mirror pods`)
      if ((request.oldObject as Pod).spec.nodeName !== node)
        throw forbid(request, `node ${quoted} can only update pod status for pods with spec.nodeName set to itself`)
      return
    case 'DELETE':
      if ((request.oldObject as Pod).spec.nodeName !== node)
        throw forbid(request, `node ${quoted} can only delete pods with spec.nodeName set to itself`)
      return
    case 'CONNECT':
      return
  }
}

const RESTRICTED_LABEL = /^(?:[^/]*\.)?node-restriction\.kubernetes\.io\//

function checkNode(request: AdmissionRequest, node: string): void {
  const quoted = JSON.stringify(node)
  const name = request.name || request.object?.metadata.name
  if (name !== node) throw forbid(request, `node ${quoted} is not allowed to modify node ${JSON.stringify(name)}`)
  const labels = (request.object as Node | undefined)?.metadata.labels ?? {}
  const before = (request.oldObject as Node | undefined)?.metadata.labels ?? {}
  const restricted = Object.keys(labels).filter((key) => RESTRICTED_LABEL.test(key) && labels[key] !== before[key])
  if (restricted.length > 0) throw forbid(request, `is not allowed to modify labels: ${restricted.toSorted().join(', ')}`)
  if (request.operation === 'UPDATE' && request.subresource === '') {
    const taints = (object: unknown): string => JSON.stringify((object as Node).spec?.taints ?? [])
    if (taints(request.object) !== taints(request.oldObject)) throw forbid(request, `node ${quoted} is not allowed to modify taints`)
  }
}

function checkLease(request: AdmissionRequest, node: string): void {
  const name = request.name || (request.object as Lease | undefined)?.metadata.name
  if (request.namespace !== LEASE_NAMESPACE)
    throw forbid(request, `can only access leases in the ${JSON.stringify(LEASE_NAMESPACE)} system namespace`)
  if (name !== node) throw forbid(request, 'can only access node lease with the same name as the requesting node')
}

export function createNodeRestriction(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    admit(request) {
      const node = nodeNameOf(request)
      if (node === undefined) return
      if (request.resource.group === '' && request.resource.resource === 'pods') return checkPod(request, node, reader)
      if (request.resource.group === '' && request.resource.resource === 'nodes') return checkNode(request, node)
      if (isResource(request, 'coordination.k8s.io', 'leases')) checkLease(request, node)
    },
  }
}
