/** The core group, without pods. */
import type * as core from '../kinds/core/v1.ts'
import { fillResources } from './resources.ts'
import { rule, type Rules } from './rules.ts'

const CLIENT_IP_AFFINITY_SECONDS = 10_800

function isExternallyAccessible({ type, externalIPs }: core.ServiceSpec): boolean {
  return type === 'LoadBalancer' || type === 'NodePort' || (type === 'ClusterIP' && (externalIPs?.length ?? 0) > 0)
}

function defaultService(service: core.Service): void {
  const { spec } = service
  spec.sessionAffinity ||= 'None'
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
  if (spec.sessionAffinity === 'ClientIP' && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined)
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: CLIENT_IP_AFFINITY_SECONDS } }
  spec.type ||= 'ClusterIP'
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP'
    port.targetPort ||= port.port
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= 'Cluster'
  if (spec.type !== 'ExternalName' && ['NodePort', 'LoadBalancer', 'ClusterIP'].includes(spec.type))
    spec.internalTrafficPolicy ??= 'Cluster'
  if (spec.type !== 'LoadBalancer') return
  spec.allocateLoadBalancerNodePorts ??= true
  for (const ingress of service.status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP'
}

/** stringData is for writing only: it goes into data. */
function defaultSecret(secret: core.Secret): void {
  secret.type ||= 'Opaque'
  const written = Object.entries(secret.stringData ?? {}).map(([key, text]) => [key, Buffer.from(text).toString('base64')])
  if (written.length) secret.data = { ...secret.data, ...Object.fromEntries(written) }
  delete secret.stringData
}

function defaultLimitRangeItem(item: core.LimitRangeItem): void {
  if (item.type !== 'Container') return
  const limits = fillResources(item.default, item.max)
  if (limits) item.default = limits
  const requests = fillResources(fillResources(item.defaultRequest, item.default), item.min)
  if (requests) item.defaultRequest = requests
}

export const coreRules: Rules = {
  'io.k8s.api.core.v1.ReplicationController': rule<core.ReplicationController>((controller) => {
    const labels = controller.spec.template?.metadata?.labels
    if (!labels) return
    if (Object.keys(controller.spec.selector ?? {}).length === 0) controller.spec.selector = { ...labels }
    if (Object.keys(controller.metadata.labels ?? {}).length === 0) controller.metadata.labels = { ...labels }
  }),
  'io.k8s.api.core.v1.Service': rule(defaultService),
  'io.k8s.api.core.v1.Secret': rule(defaultSecret),
  'io.k8s.api.core.v1.PersistentVolume': rule<core.PersistentVolume>((volume) => {
    volume.status ??= {}
    volume.status.phase ||= 'Pending'
    volume.spec.persistentVolumeReclaimPolicy ||= 'Retain'
    volume.spec.volumeMode ??= 'Filesystem'
  }),
  'io.k8s.api.core.v1.PersistentVolumeClaim': rule<core.PersistentVolumeClaim>((claim) => {
    claim.status ??= {}
    claim.status.phase ||= 'Pending'
  }),
  'io.k8s.api.core.v1.PersistentVolumeClaimSpec': rule<core.PersistentVolumeClaimSpec>((spec) => void (spec.volumeMode ??= 'Filesystem')),
  'io.k8s.api.core.v1.EndpointPort': rule<core.EndpointPort>((port) => void (port.protocol ||= 'TCP')),
  'io.k8s.api.core.v1.Namespace': rule<core.Namespace>(({ metadata }) => {
    if (metadata.name) metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name }
  }),
  'io.k8s.api.core.v1.NamespaceStatus': rule<core.NamespaceStatus>((status) => void (status.phase ||= 'Active')),
  'io.k8s.api.core.v1.NodeSpec': rule<core.NodeSpec>((spec) => {
    if (spec.podCIDR && spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR]
    else if (spec.podCIDRs?.[0]) spec.podCIDR = spec.podCIDRs[0]
  }),
  'io.k8s.api.core.v1.NodeStatus': rule<core.NodeStatus>((status) => {
    // Stored, an empty one is none.
    if (Object.keys(status.allocatable ?? {}).length === 0 && status.capacity) status.allocatable = { ...status.capacity }
  }),
  'io.k8s.api.core.v1.LimitRangeItem': rule(defaultLimitRangeItem),
}
