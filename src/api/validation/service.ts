/** Services and Endpoints. */
import { duplicate, forbidden, invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { validateNonSpecialIp } from './addresses.ts'
import { isDns1123Label, isDns1123Subdomain, isPortNumber, isQualifiedName, isValidCidr, isValidIp, nameIsDnsSubdomain } from './names.ts'
import { validateLabels } from './objectMeta.ts'
import { validatePort } from './probes.ts'
import { isIP, isIPv4 } from 'node:net'
import type { Endpoints, EndpointAddress, Service, ServicePort, ServiceSpec } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const AFFINITIES = ['ClientIP', 'None']
const LONGEST_AFFINITY_SECONDS = 86_400

function validateServicePort(port: ServicePort, requireName: boolean, names: Set<string>, spec: ServiceSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (requireName && !port.name) errors.push(required(`${path}.name`))
  else if (port.name) {
    errors.push(...invalidAll(`${path}.name`, port.name, isDns1123Label(port.name)))
    if (names.has(port.name)) errors.push(duplicate(`${path}.name`, port.name))
    names.add(port.name)
  }
  errors.push(...invalidAll(`${path}.port`, port.port, isPortNumber(port.port)))
  if (!port.protocol) errors.push(required(`${path}.protocol`))
  else if (!PROTOCOLS.includes(port.protocol)) errors.push(notSupported(`${path}.protocol`, port.protocol, PROTOCOLS))
  errors.push(...validatePort(port.targetPort, `${path}.targetPort`))
  if (port.appProtocol !== undefined) errors.push(...invalidAll(`${path}.appProtocol`, port.appProtocol, isQualifiedName(port.appProtocol)))
  if (spec.type === 'ClusterIP' && port.nodePort) errors.push(forbidden(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'"))
  return errors
}

function validatePorts(spec: ServiceSpec): FieldError[] {
  const ports = spec.ports ?? []
  const headless = spec.clusterIP === 'None'
  if (ports.length === 0) return headless || spec.type === 'ExternalName' ? [] : [required('spec.ports')]
  const names = new Set<string>()
  const errors = ports.flatMap((port, i) => validateServicePort(port, ports.length > 1, names, spec, `spec.ports[${i}]`))
  const seen = new Set<string>()
  const nodePorts = new Set<string>()
  for (const [i, port] of ports.entries()) {
    const key = `${port.protocol}/${port.port}`
    if (seen.has(key)) errors.push(duplicate(`spec.ports[${i}]`, { Name: '', Protocol: port.protocol, AppProtocol: null, Port: port.port, TargetPort: 0, NodePort: 0 }))
    seen.add(key)
    if (!port.nodePort) continue
    const nodeKey = `${port.protocol}/${port.nodePort}`
    if (nodePorts.has(nodeKey)) errors.push(duplicate(`spec.ports[${i}].nodePort`, port.nodePort))
    nodePorts.add(nodeKey)
  }
  return errors
}

function leadingZeros(address: string): boolean {
  return /^\d+(\.\d+){3}$/.test(address) && address.split('.').some((part) => part.length > 1 && part.startsWith('0'))
}

function validateAddresses(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = []
  const { clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec
  if (spec.type === 'ExternalName') {
    if (clusterIPs.length > 0) errors.push(forbidden('spec.clusterIPs', 'may not be set for ExternalName services'))
    if (ipFamilies.length > 0) errors.push(forbidden('spec.ipFamilies', 'may not be set for ExternalName services'))
    if (ipFamilyPolicy !== undefined) errors.push(forbidden('spec.ipFamilyPolicy', 'may not be set for ExternalName services'))
    return errors
  }
  if (clusterIPs[0] !== undefined && spec.clusterIP !== clusterIPs[0]) errors.push(invalid('spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`'))
  if (ipFamilyPolicy !== undefined && !['PreferDualStack', 'RequireDualStack', 'SingleStack'].includes(ipFamilyPolicy)) {
    errors.push(notSupported('spec.ipFamilyPolicy', ipFamilyPolicy, ['SingleStack', 'PreferDualStack', 'RequireDualStack']))
  }
  for (const [i, family] of ipFamilies.entries()) {
    if (!['IPv4', 'IPv6'].includes(family)) errors.push(notSupported(`spec.ipFamilies[${i}]`, family, ['IPv4', 'IPv6']))
    if (ipFamilies.indexOf(family) < i) errors.push(duplicate(`spec.ipFamilies[${i}]`, family))
  }
  if (clusterIPs.includes('None') && clusterIPs.length > 1) errors.push(invalid('spec.clusterIPs', clusterIPs, "'None' must be the first and only value"))
  for (const [i, address] of clusterIPs.entries()) {
    const at = `spec.clusterIPs[${i}]`
    if (address === 'None') continue
    if (leadingZeros(address)) errors.push(invalid(at, address, 'must not have leading 0s'))
    else if (isIP(address) === 0) errors.push(...invalidAll(at, address, isValidIp(address)))
    else {
      const family = isIPv4(address) ? 'IPv4' : 'IPv6'
      if (ipFamilies[i] && ipFamilies[i] !== family) errors.push(invalid(at, address, `expected an ${ipFamilies[i]} value as indicated by \`ipFamilies[${i}]\``))
    }
  }
  return errors
}

function validatePolicies(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = []
  const external = spec.type === 'LoadBalancer' || spec.type === 'NodePort' || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)
  const policy = spec.externalTrafficPolicy
  if (!external) {
    if (policy) errors.push(invalid('spec.externalTrafficPolicy', policy, 'may only be set for externally-accessible services'))
  } else if (!policy) errors.push(required('spec.externalTrafficPolicy'))
  else if (!['Cluster', 'Local'].includes(policy)) errors.push(notSupported('spec.externalTrafficPolicy', policy, ['Cluster', 'Local']))
  const needsHealthCheck = spec.type === 'LoadBalancer' && policy === 'Local'
  if (!needsHealthCheck && spec.healthCheckNodePort) {
    errors.push(invalid('spec.healthCheckNodePort', spec.healthCheckNodePort, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))
  }
  const internal = spec.internalTrafficPolicy
  if (internal !== undefined && !['Cluster', 'Local'].includes(internal)) errors.push(notSupported('spec.internalTrafficPolicy', internal, ['Cluster', 'Local']))
  const distribution = spec.trafficDistribution
  if (distribution !== undefined && !['PreferClose', 'PreferSameNode', 'PreferSameZone'].includes(distribution)) {
    errors.push(notSupported('spec.trafficDistribution', distribution, ['PreferClose', 'PreferSameNode', 'PreferSameZone']))
  }
  return errors
}

function validateAffinity(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = []
  if (!spec.sessionAffinity) errors.push(required('spec.sessionAffinity'))
  else if (!AFFINITIES.includes(spec.sessionAffinity)) errors.push(notSupported('spec.sessionAffinity', spec.sessionAffinity, AFFINITIES))
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds
  if (spec.sessionAffinity === 'ClientIP') {
    if (seconds === undefined) errors.push(required('spec.sessionAffinityConfig', 'when session affinity type is ClientIP'))
    else if (seconds <= 0 || seconds > LONGEST_AFFINITY_SECONDS) errors.push(invalid('spec.sessionAffinityConfig.clientIP.timeoutSeconds', seconds, `must be greater than 0 and less than ${LONGEST_AFFINITY_SECONDS}`))
  } else if (spec.sessionAffinity === 'None' && spec.sessionAffinityConfig) {
    errors.push(forbidden('spec.sessionAffinityConfig', "must not be set when session affinity is None"))
  }
  return errors
}

function validateLoadBalancer(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = []
  const isBalancer = spec.type === 'LoadBalancer'
  const ranges = spec.loadBalancerSourceRanges ?? []
  if (ranges.length > 0 && !isBalancer) errors.push(forbidden('spec.LoadBalancerSourceRanges', "may only be used when `type` is 'LoadBalancer'"))
  for (const range of ranges) {
    if (isValidCidr(range.trim()).length > 0) errors.push(invalid('spec.LoadBalancerSourceRanges', ranges, 'must be a list of IP ranges. For example, 10.240.0.0/24,10.250.0.0/24'))
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && !isBalancer) {
    errors.push(forbidden('spec.allocateLoadBalancerNodePorts', "may only be used when `type` is 'LoadBalancer'"))
  }
  if (isBalancer && spec.allocateLoadBalancerNodePorts === undefined) errors.push(required('spec.allocateLoadBalancerNodePorts'))
  const balancerClass = spec.loadBalancerClass
  if (balancerClass !== undefined) {
    if (!isBalancer) errors.push(forbidden('spec.loadBalancerClass', "may only be used when `type` is 'LoadBalancer'"))
    else errors.push(...invalidAll('spec.loadBalancerClass', balancerClass, isQualifiedName(balancerClass)))
  }
  return errors
}

export function validateService(service: Service): FieldError[] {
  const { spec } = service
  if (!spec) return [required('spec.ports'), required('spec.type')]
  const errors = [...validateTypeRules(spec), ...validatePorts(spec), ...validateAffinity(spec)]
  errors.push(...validateAddresses(spec))
  if (spec.selector) errors.push(...validateLabels(spec.selector, 'spec.selector'))
  for (const [i, address] of (spec.externalIPs ?? []).entries()) {
    const at = `spec.externalIPs[${i}]`
    const wrong = isValidIp(address)
    errors.push(...(wrong.length > 0 ? invalidAll(at, address, wrong) : validateNonSpecialIp(address, at)))
  }
  if (!spec.type) errors.push(required('spec.type'))
  else if (!TYPES.includes(spec.type)) errors.push(notSupported('spec.type', spec.type, TYPES))
  return [...errors, ...validateLoadBalancer(spec), ...validatePolicies(spec)]
}

function validateTypeRules(spec: ServiceSpec): FieldError[] {
  const headless = spec.clusterIP === 'None'
  if (spec.type === 'LoadBalancer' || spec.type === 'NodePort') {
    return headless ? [invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`)] : []
  }
  if (spec.type !== 'ExternalName') return []
  const name = spec.externalName?.replace(/\.$/, '') ?? ''
  return name ? invalidAll('spec.externalName', name, isDns1123Subdomain(name)) : [required('spec.externalName')]
}

export function validateServiceUpdate(next: Service, old: Service): FieldError[] {
  const errors: FieldError[] = []
  const before = old.spec?.clusterIPs ?? []
  const after = next.spec?.clusterIPs ?? []
  if (old.spec?.type !== 'ExternalName' && next.spec?.type !== 'ExternalName' && before[0] && after[0] !== before[0]) {
    errors.push(invalid('spec.clusterIPs[0]', after, 'may not change once set'))
  }
  if (old.spec?.type === 'LoadBalancer' && next.spec?.type === 'LoadBalancer' && old.spec.loadBalancerClass !== next.spec.loadBalancerClass) {
    errors.push(invalid('spec.loadBalancerClass', next.spec.loadBalancerClass ?? null, 'may not change once set'))
  }
  return [...errors, ...validateService(next)]
}

export function validateServiceStatus(next: Service): FieldError[] {
  const ingress = next.status?.loadBalancer?.ingress ?? []
  if (ingress.length > 0 && next.spec?.type !== 'LoadBalancer') {
    return [forbidden('status.loadBalancer.ingress', "may only be used when `spec.type` is 'LoadBalancer'")]
  }
  return ingress.flatMap((point, i) => (point.ip ? invalidAll(`status.loadBalancer.ingress[${i}].ip`, point.ip, isValidIp(point.ip)) : []))
}

function validateEndpointAddress(address: EndpointAddress, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (address.hostname) errors.push(...invalidAll(`${path}.hostname`, address.hostname, isDns1123Label(address.hostname)))
  if (address.nodeName !== undefined) errors.push(...invalidAll(`${path}.nodeName`, address.nodeName, nameIsDnsSubdomain(address.nodeName, false)))
  const wrong = isValidIp(address.ip)
  if (wrong.length > 0) return [...invalidAll(`${path}.ip`, address.ip, wrong), invalid(`${path}.ip`, address.ip, 'must be a valid IP address'), ...errors]
  return [...errors, ...validateNonSpecialIp(address.ip, `${path}.ip`)]
}

export function validateEndpoints(endpoints: Endpoints): FieldError[] {
  return (endpoints.subsets ?? []).flatMap((subset, i) => {
    const at = `subsets[${i}]`
    const { addresses = [], notReadyAddresses = [], ports = [] } = subset
    const errors: FieldError[] = []
    if (addresses.length === 0 && notReadyAddresses.length === 0) errors.push(required(at, 'must specify `addresses` or `notReadyAddresses`'))
    errors.push(...addresses.flatMap((address, j) => validateEndpointAddress(address, `${at}.addresses[${j}]`)))
    errors.push(...notReadyAddresses.flatMap((address, j) => validateEndpointAddress(address, `${at}.notReadyAddresses[${j}]`)))
    for (const [j, port] of ports.entries()) {
      const path = `${at}.ports[${j}]`
      if (ports.length > 1 && !port.name) errors.push(required(`${path}.name`))
      else if (port.name) errors.push(...invalidAll(`${path}.name`, port.name, isDns1123Label(port.name)))
      errors.push(...invalidAll(`${path}.port`, port.port, isPortNumber(port.port)))
      if (!port.protocol) errors.push(required(`${path}.protocol`))
      else if (!PROTOCOLS.includes(port.protocol)) errors.push(notSupported(`${path}.protocol`, port.protocol, PROTOCOLS))
      if (port.appProtocol !== undefined) errors.push(...invalidAll(`${path}.appProtocol`, port.appProtocol, isQualifiedName(port.appProtocol)))
    }
    return errors
  })
}

