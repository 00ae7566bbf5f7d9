/** The smaller groups: networking, rbac, storage, scheduling, discovery, resource, authentication. */
import type * as authentication from '../kinds/authentication/v1.ts'
import type * as discovery from '../kinds/discovery/v1.ts'
import type * as networking from '../kinds/networking/v1.ts'
import type * as rbac from '../kinds/rbac/v1.ts'
import type * as scheduling from '../kinds/scheduling/v1.ts'
import type * as storage from '../kinds/storage/v1.ts'
import { timestamp } from '../meta.ts'
import { rule, type Rules } from './rules.ts'

const RBAC_GROUP = 'rbac.authorization.k8s.io'
const TOKEN_SECONDS = 3600

function defaultNetworkPolicy({ spec }: networking.NetworkPolicy): void {
  if (spec.policyTypes?.length) return
  spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress']
}

function defaultCsiDriver({ spec }: storage.CSIDriver): void {
  spec.attachRequired ??= true
  spec.podInfoOnMount ??= false
  spec.storageCapacity ??= false
  spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType'
  if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent']
  spec.requiresRepublish ??= false
  spec.seLinuxMount ??= false
}

const roleRefGroup = rule<rbac.RoleBinding | rbac.ClusterRoleBinding>((binding) => {
  if (binding.roleRef) binding.roleRef.apiGroup ||= RBAC_GROUP
})

const deviceCount = rule<{ allocationMode?: string; count?: number }>((request) => {
  request.allocationMode ||= 'ExactCount'
  if (request.allocationMode === 'ExactCount') request.count ||= 1
})

export const miscellaneousRules: Rules = {
  'io.k8s.api.networking.v1.NetworkPolicyPort': rule<networking.NetworkPolicyPort>((port) => void (port.protocol ??= 'TCP')),
  'io.k8s.api.networking.v1.NetworkPolicy': rule(defaultNetworkPolicy),
  'io.k8s.api.networking.v1.IngressClass': rule<networking.IngressClass>(({ spec }) => {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster'
  }),
  'io.k8s.api.rbac.v1.RoleBinding': roleRefGroup,
  'io.k8s.api.rbac.v1.ClusterRoleBinding': roleRefGroup,
  'io.k8s.api.rbac.v1.Subject': rule<rbac.Subject>((subject) => {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= RBAC_GROUP
  }),
  'io.k8s.api.storage.v1.StorageClass': rule<storage.StorageClass>((storageClass) => {
    storageClass.reclaimPolicy ??= 'Delete'
    storageClass.volumeBindingMode ??= 'Immediate'
  }),
  'io.k8s.api.storage.v1.CSIDriver': rule(defaultCsiDriver),
  'io.k8s.api.scheduling.v1.PriorityClass': rule<scheduling.PriorityClass>(
    (priority) => void (priority.preemptionPolicy ??= 'PreemptLowerPriority'),
  ),
  'io.k8s.api.discovery.v1.EndpointPort': rule<discovery.EndpointPort>((port) => {
    port.name ??= ''
    port.protocol ??= 'TCP'
  }),
  'io.k8s.api.authentication.v1.TokenRequestSpec': rule<authentication.TokenRequestSpec>(
    (spec) => void (spec.expirationSeconds ??= TOKEN_SECONDS),
  ),
  'io.k8s.api.resource.v1.ExactDeviceRequest': deviceCount,
  'io.k8s.api.resource.v1.DeviceSubRequest': deviceCount,
  'io.k8s.api.resource.v1.DeviceTaint': rule<{ timeAdded?: string }>((taint, { nowMs }) => void (taint.timeAdded ??= timestamp(nowMs))),
  'io.k8s.api.resource.v1.Device': rule<{ nodeAllocatableResourceMappings?: Record<string, { allocationMultiplier?: string }> }>(
    (device) => {
      for (const mapping of Object.values(device.nodeAllocatableResourceMappings ?? {})) mapping.allocationMultiplier ??= '1'
    },
  ),
}
