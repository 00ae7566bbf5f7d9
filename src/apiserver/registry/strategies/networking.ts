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
import { nameIsDnsSubdomain } from '../../../api/validation/names.ts'
import { semanticEqual } from '../../../api/jsonValues.ts'
import {
  nameIsIp,
  validateIpAddress,
  validateIpAddressUpdate,
  validateServiceCidr,
  validateServiceCidrUpdate,
} from '../../../api/validation/serviceAddresses.ts'
import { endpointSliceWarnings, ingressWarnings, loadBalancerWarnings, networkPolicyWarnings } from '../../../api/validation/warnings.ts'
import { loadBalancerStatus } from './status.ts'
import type { EndpointSlice } from '../../../api/kinds/discovery/v1.ts'
import type { IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR } from '../../../api/kinds/networking/v1.ts'
import type { Strategy } from '../strategy.ts'

const ingresses: Strategy<Ingress> = {
  updateChecks: ['change', 'new'],
  ...loadBalancerStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  validateCreate: validateIngress,
  validateUpdate: validateIngressUpdate,
  validateStatusUpdate: validateIngressStatusUpdate,
  warningsOnCreate: ingressWarnings,
  warningsOnStatusUpdate: loadBalancerWarnings,
}
const ingressClasses: Strategy<IngressClass> = {
  updateChecks: ['change', 'new'],
  managesGeneration: true,
  validateCreate: validateIngressClass,
  validateUpdate: validateIngressClassUpdate,
}
const networkPolicies: Strategy<NetworkPolicy> = {
  managesGeneration: true,
  generationCountsEmpty: true,
  validateCreate: validateNetworkPolicy,
  validateUpdate: validateNetworkPolicyUpdate,
  warningsOnCreate: networkPolicyWarnings,
  warningsOnUpdate: networkPolicyWarnings,
}
const endpointSlices: Strategy<EndpointSlice> = {
  managesGeneration: true,
  generationCounts: ['labels'],
  generationCountsDropped: true,
  updateChecks: ['new'],
  prepareForCreate: (next) => dropTopology(next, undefined),
  prepareForUpdate: dropTopology,
  validateCreate: (slice) => validateEndpointSlice(slice),
  validateUpdate: validateEndpointSlice,
  warningsOnCreate: (slice) => endpointSliceWarnings(slice, true),
  warningsOnUpdate: (slice) => endpointSliceWarnings(slice, false),
}

const HOST_LABEL = 'kubernetes.io/hostname'

/** Only endpoints of former days have a topology; the node that it names is kept. */
function dropTopology(next: EndpointSlice, old: EndpointSlice | undefined): void {
  if (old && semanticEqual(next.endpoints, old.endpoints)) return
  const known = new Set((old?.endpoints ?? []).map(({ deprecatedTopology }) => deprecatedTopology?.[HOST_LABEL]))
  next.endpoints = (next.endpoints ?? []).map(({ deprecatedTopology, ...endpoint }) => {
    const nodeName = deprecatedTopology?.[HOST_LABEL]
    const isKept = endpoint.nodeName === undefined && nodeName !== undefined && known.has(nodeName)
    return isKept && nameIsDnsSubdomain(nodeName, false).length === 0 ? { ...endpoint, nodeName } : endpoint
  })
}

const ipAddresses: Strategy<IPAddress> = {
  updateChecks: ['new', 'change'],
  validateName: nameIsIp,
  validateCreate: validateIpAddress,
  validateUpdate: validateIpAddressUpdate,
}
const serviceCidrs: Strategy<ServiceCIDR> = {
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
