/** NodeRestriction: a kubelet changes its own node and the pods bound to it, and nothing else. */
import { forbid, isResource } from './admission.ts'
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import type { Lease } from '../../api/kinds/coordination/v1.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { TokenRequest } from '../../api/kinds/authentication/v1.ts'
import type { ResourceSlice } from '../../api/kinds/resource/v1.ts'
import { csidrivers } from '../../api/kinds/storage/v1.ts'
import { newNotFound } from '../../api/status.ts'
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
      const fault = mirrorPodFault(pod, node)
      if (fault) throw forbid(request, `node ${quoted} ${fault}`)
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

/** What would let a pod that a node makes up reach what the node may not. */
function mirrorPodFault(pod: Pod, node: string): string | undefined {
  const { spec, metadata } = pod
  const owners = metadata.ownerReferences ?? []
  if (owners.length > 1) return 'can only create pods with a single owner reference set to itself'
  const owner = owners[0]
  if (owner && (owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node))
    return 'can only create pods with an owner reference set to itself'
  if (spec.serviceAccountName) return 'can not create pods that reference a service account'
  const volumes = spec.volumes ?? []
  const containers = [...spec.containers, ...(spec.initContainers ?? [])]
  const sources = containers.flatMap(({ envFrom = [], env = [] }) => [...envFrom, ...env.map(({ valueFrom }) => valueFrom ?? {})])
  const refers = (...keys: string[]): boolean =>
    [...volumes, ...sources].some((source) => keys.some((key) => (source as unknown as Record<string, unknown>)[key] !== undefined))
  if (refers('secret', 'secretRef', 'secretKeyRef') || (spec.imagePullSecrets ?? []).length > 0)
    return 'can not create pods that reference secrets'
  if (refers('configMap', 'configMapRef', 'configMapKeyRef')) return 'can not create pods that reference configmaps'
  if (volumes.some(({ projected }) => projected)) return 'can not create pods that reference projected volumes'
  if (volumes.some(({ persistentVolumeClaim, ephemeral }) => persistentVolumeClaim ?? ephemeral))
    return 'can not create pods that reference persistentvolumeclaims'
  if ((spec.resourceClaims ?? []).length > 0) return 'can not create pods that reference resourceclaims'
  return undefined
}

/** Audiences that a pod's volumes ask tokens for; '' is the server's own. */
function audiencesOf(pod: Pod, reader: ObjectReader): Set<string> {
  const volumes = pod.spec.volumes ?? []
  const projected = volumes.flatMap(({ projected: volume }) =>
    (volume?.sources ?? []).flatMap(({ serviceAccountToken }) => (serviceAccountToken ? [serviceAccountToken.audience ?? ''] : [])),
  )
  const driven = volumes.some(({ csi, persistentVolumeClaim, ephemeral }) => csi ?? persistentVolumeClaim ?? ephemeral)
  const ofDrivers = driven ? reader.list(csidrivers).flatMap(({ spec }) => (spec.tokenRequests ?? []).map(({ audience }) => audience)) : []
  return new Set([...projected, ...ofDrivers])
}

/** A node gets tokens for the pods that are its own, and for the audiences that these ask for. */
function checkToken(request: AdmissionRequest, node: string, reader: ObjectReader): void {
  if (request.operation !== 'CREATE' || request.subresource !== 'token') return
  const { boundObjectRef: reference, audiences } = (request.object as unknown as TokenRequest).spec ?? {}
  if (reference?.apiVersion !== 'v1' || reference.kind !== 'Pod' || !reference.name)
    throw forbid(request, 'node requested token not bound to a pod')
  if (!reference.uid) throw forbid(request, 'node requested token with a pod binding without a uid')
  const pod = reader.get(pods, request.namespace, reference.name)
  if (!pod) throw newNotFound(pods, reference.name)
  if (pod.metadata.uid !== reference.uid) {
    throw forbid(
      request,
      `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    )
  }
  if (pod.spec.nodeName !== node) throw forbid(request, 'node requested token bound to a pod scheduled on a different node')
  const [audience = '', ...more] = (audiences as readonly string[] | null | undefined) ?? []
  if (more.length > 0) throw forbid(request, 'node may only request 0 or 1 audiences')
  if (!audiencesOf(pod, reader).has(audience)) {
    throw forbid(
      request,
      `audience ${JSON.stringify(audience)} not found in pod spec volume, ${request.user.name} is not authorized to request tokens for this audience`,
    )
  }
}

function checkCsiNode(request: AdmissionRequest, node: string): void {
  if ((request.name || request.object?.metadata.name) !== node)
    throw forbid(request, 'can only access CSINode with the same name as the requesting node')
}

function checkResourceSlice(request: AdmissionRequest, node: string): void {
  const nodeOf = (object: unknown): string | undefined => (object as ResourceSlice | undefined)?.spec.nodeName
  if (request.operation === 'CREATE' && nodeOf(request.object) !== node)
    throw forbid(request, 'can only create ResourceSlice with the same NodeName as the requesting node')
  if (request.operation === 'DELETE' && request.oldObject && nodeOf(request.oldObject) !== node)
    throw forbid(request, 'can only delete ResourceSlice with the same NodeName as the requesting node')
}

export function createNodeRestriction(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    admit(request) {
      const node = nodeNameOf(request)
      if (node === undefined) return
      if (request.resource.group === '' && request.resource.resource === 'pods') return checkPod(request, node, reader)
      if (request.resource.group === '' && request.resource.resource === 'nodes') return checkNode(request, node)
      const { group, resource } = request.resource
      if (group === '' && resource === 'serviceaccounts') return checkToken(request, node, reader)
      if (group === 'storage.k8s.io' && resource === 'csinodes') return checkCsiNode(request, node)
      if (group === 'resource.k8s.io' && resource === 'resourceslices') return checkResourceSlice(request, node)
      if (isResource(request, 'coordination.k8s.io', 'leases')) checkLease(request, node)
    },
  }
}
