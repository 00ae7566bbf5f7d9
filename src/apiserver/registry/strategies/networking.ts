/** networking.k8s.io, discovery.k8s.io. */
import { validateEndpointSlice } from '../../../api/validation/endpointSlices.ts'
import {
  validateIngress,
  validateIngressClass,
  validateIngressClassUpdate,
  validateIngressStatusUpdate,
  validateIngressUpdate,
  validateNetworkPolicy,
  validateNetworkPolicyUpdate,
} from '../../../api/validation/networking.ts'
import {
  nameIsIp,
  validateIpAddress,
  validateIpAddressUpdate,
  validateServiceCidr,
  validateServiceCidrUpdate,
} from '../../../api/validation/serviceAddresses.ts'
import { endpointSliceWarnings, ingressWarnings, networkPolicyWarnings } from '../../../api/validation/warnings.ts'
import { loadBalancerStatus } from './status.ts'
import type { EndpointSlice } from '../../../api/kinds/discovery/v1.ts'
import type { IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR } from '../../../api/kinds/networking/v1.ts'
import type { Strategy } from '../strategy.ts'

const ingresses: Strategy<Ingress> = {
  ...loadBalancerStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  validateCreate: validateIngress,
  validateUpdate: validateIngressUpdate,
  validateStatusUpdate: validateIngressStatusUpdate,
  warningsOnCreate: ingressWarnings,
}
const ingressClasses: Strategy<IngressClass> = {
  managesGeneration: true,
  validateCreate: validateIngressClass,
  validateUpdate: validateIngressClassUpdate,
}
const networkPolicies: Strategy<NetworkPolicy> = {
  managesGeneration: true,
  validateCreate: validateNetworkPolicy,
  validateUpdate: validateNetworkPolicyUpdate,
  warningsOnCreate: networkPolicyWarnings,
  warningsOnUpdate: networkPolicyWarnings,
}
const endpointSlices: Strategy<EndpointSlice> = {
  managesGeneration: true,
  generationCounts: ['labels'],
  checksMetaOnce: true,
  validateCreate: (slice) => validateEndpointSlice(slice),
  validateUpdate: validateEndpointSlice,
  warningsOnCreate: (slice) => endpointSliceWarnings(slice, true),
  warningsOnUpdate: (slice) => endpointSliceWarnings(slice, false),
}

const ipAddresses: Strategy<IPAddress> = {
  validateName: nameIsIp,
  validateCreate: validateIpAddress,
  validateUpdate: validateIpAddressUpdate,
}
const serviceCidrs: Strategy<ServiceCIDR> = {
  managesGeneration: true,
  validateCreate: validateServiceCidr,
  validateUpdate: validateServiceCidrUpdate,
}

export const networkingStrategies: Record<string, Strategy> = {
  'networking.k8s.io/ingresses': ingresses as Strategy,
  'networking.k8s.io/ingressclasses': ingressClasses as Strategy,
  'networking.k8s.io/networkpolicies': networkPolicies as Strategy,
  'networking.k8s.io/ipaddresses': ipAddresses as Strategy,
  'networking.k8s.io/servicecidrs': serviceCidrs as Strategy,
  'discovery.k8s.io/endpointslices': endpointSlices as Strategy,
}
