/** networking.k8s.io, discovery.k8s.io. */
import { validateEndpointSlice } from '../../../api/validation/endpointSlices.ts'
import { validateIngress, validateIngressClass, validateIngressClassUpdate, validateNetworkPolicy } from '../../../api/validation/networking.ts'
import { loadBalancerStatus } from './status.ts'
import type { EndpointSlice } from '../../../api/kinds/discovery/v1.ts'
import type { Ingress, IngressClass, NetworkPolicy } from '../../../api/kinds/networking/v1.ts'
import type { Strategy } from '../strategy.ts'

const ingresses: Strategy<Ingress> = {
  ...loadBalancerStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  validateCreate: validateIngress,
  validateUpdate: validateIngress,
}
const ingressClasses: Strategy<IngressClass> = { managesGeneration: true, validateCreate: validateIngressClass, validateUpdate: validateIngressClassUpdate }
const networkPolicies: Strategy<NetworkPolicy> = { managesGeneration: true, validateCreate: validateNetworkPolicy, validateUpdate: validateNetworkPolicy }
const endpointSlices: Strategy<EndpointSlice> = {
  managesGeneration: true,
  validateCreate: (slice) => validateEndpointSlice(slice),
  validateUpdate: validateEndpointSlice,
}

export const networkingStrategies: Record<string, Strategy> = {
  'networking.k8s.io/ingresses': ingresses as Strategy,
  'networking.k8s.io/ingressclasses': ingressClasses as Strategy,
  'networking.k8s.io/networkpolicies': networkPolicies as Strategy,
  'discovery.k8s.io/endpointslices': endpointSlices as Strategy,
}
