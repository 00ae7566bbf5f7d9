/** Services (pkg/apis/core/validation). */
import { isIPv6 } from 'node:net'
import { check, duplicate, forbidden, IMMUTABLE, invalid, notSupported, required } from './fieldErrors.ts'
import { endpointIpErrors } from './addresses.ts'
import {
  canonicalIp,
  isDns1123Label,
  isDns1123Subdomain,
  isPortNumber,
  isPortNumberOrName,
  isQualifiedName,
  isValidCidr,
  isValidIp,
} from './names.ts'
import { validateLabels } from './objectMeta.ts'
import { checkOneOf } from './values.ts'
import type { Service, ServicePort, ServiceSpec } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const AFFINITIES = ['ClientIP', 'None']
const FAMILIES = ['IPv4', 'IPv6']
const FAMILY_POLICIES = ['PreferDualStack', 'RequireDualStack', 'SingleStack']
const TRAFFIC = ['Cluster', 'Local']
const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode']
const AFFINITY_LIMIT_SECONDS = 86_400
const ONLY_LOAD_BALANCERS = "may only be used when `type` is 'LoadBalancer'"
const SOURCE_RANGES_ANNOTATION = 'service.beta.kubernetes.io/load-balancer-source-ranges'
const HINTS_ANNOTATION = 'service.kubernetes.io/topology-aware-hints'
const MODE_ANNOTATION = 'service.kubernetes.io/topology-mode'

export const isHeadless = ({ clusterIPs = [] }: ServiceSpec): boolean => clusterIPs.length === 1 && clusterIPs[0] === 'None'

const isLoadBalancer = ({ type }: ServiceSpec): boolean => type === 'LoadBalancer'
const hasNodePorts = ({ type }: ServiceSpec): boolean => type === 'LoadBalancer' || type === 'NodePort'
const needsHealthCheck = (spec: ServiceSpec): boolean => isLoadBalancer(spec) && spec.externalTrafficPolicy === 'Local'
const isExternal = (spec: ServiceSpec): boolean => hasNodePorts(spec) || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)

function checkPort(errors: FieldError[], port: ServicePort, needsName: boolean, names: Set<string>, path: string): void {
  const { name, protocol, targetPort = 0, appProtocol } = port
  if (needsName && !name) errors.push(required(`${path}.name`))
  else if (name) {
    check(errors, `${path}.name`, name, isDns1123Label(name))
    if (names.has(name)) errors.push(duplicate(`${path}.name`, name))
    names.add(name)
  }
  check(errors, `${path}.port`, port.port, isPortNumber(port.port))
  checkOneOf(errors, `${path}.protocol`, protocol, PROTOCOLS)
  check(errors, `${path}.targetPort`, targetPort, isPortNumberOrName(targetPort))
  if (appProtocol !== undefined) check(errors, `${path}.appProtocol`, appProtocol, isQualifiedName(appProtocol))
}

/** One number of a protocol, for clients and on the nodes, belongs to one port. */
function checkDoublePorts(errors: FieldError[], { type, ports = [] }: ServiceSpec): void {
  const [numbers, nodePorts] = [new Set<string>(), new Set<string>()]
  for (const [i, { nodePort }] of ports.entries()) {
    if (type === 'ClusterIP' && nodePort) errors.push(forbidden(`spec.ports[${i}].nodePort`, "may not be used when `type` is 'ClusterIP'"))
  }
  for (const [i, { protocol, nodePort }] of ports.entries()) {
    if (nodePort && nodePorts.has(`${protocol}/${nodePort}`)) errors.push(duplicate(`spec.ports[${i}].nodePort`, nodePort))
    nodePorts.add(`${protocol}/${nodePort}`)
  }
  for (const [i, { protocol, port }] of ports.entries()) {
    const shown = { Name: '', Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 }
    if (numbers.has(`${protocol}/${port}`)) errors.push(duplicate(`spec.ports[${i}]`, shown))
    numbers.add(`${protocol}/${port}`)
  }
}

function checkType(errors: FieldError[], spec: ServiceSpec): void {
  const { type, clusterIPs = [], ipFamilies = [], ipFamilyPolicy, externalName = '' } = spec
  if (hasNodePorts(spec) && isHeadless(spec))
    errors.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`))
  if (type !== 'ExternalName') return
  const text = 'may not be set for ExternalName services'
  if (clusterIPs.length > 0) errors.push(forbidden('spec.clusterIPs', text))
  if (ipFamilies.length > 0) errors.push(forbidden('spec.ipFamilies', text))
  if (ipFamilyPolicy !== undefined) errors.push(forbidden('spec.ipFamilyPolicy', text))
  const name = externalName.endsWith('.') ? externalName.slice(0, -1) : externalName
  if (name) check(errors, 'spec.externalName', name, isDns1123Subdomain(name))
  else errors.push(required('spec.externalName'))
}

function checkAffinity(errors: FieldError[], { sessionAffinity, sessionAffinityConfig: config }: ServiceSpec): void {
  checkOneOf(errors, 'spec.sessionAffinity', sessionAffinity, AFFINITIES)
  const path = 'spec.sessionAffinityConfig'
  if (sessionAffinity === 'None' && config) errors.push(forbidden(path, 'must not be set when session affinity is None'))
  if (sessionAffinity !== 'ClientIP') return
  const text = 'when session affinity type is ClientIP'
  const seconds = config?.clientIP?.timeoutSeconds
  if (!config) errors.push(required(path, text))
  else if (!config.clientIP) errors.push(required(`${path}.clientIP`, text))
  else if (seconds === undefined) errors.push(required(`${path}.clientIP.timeoutSeconds`, text))
  else if (seconds <= 0 || seconds > AFFINITY_LIMIT_SECONDS) {
    errors.push(invalid(`${path}.clientIP.timeoutSeconds`, seconds, `must be greater than 0 and less than ${AFFINITY_LIMIT_SECONDS}`))
  }
}

/** Answers whether all addresses are ones. */
function checkClusterIps(errors: FieldError[], ips: readonly string[], old: readonly string[]): boolean {
  let areValid = true
  for (const [i, ip] of ips.entries()) {
    if (i === 0 && ip === 'None') {
      if (ips.length === 1) continue
      errors.push(invalid('spec.clusterIPs', ips, "'None' must be the first and only value"))
      areValid = false
    } else if (!old.includes(ip)) {
      const broken = isValidIp(ip)
      check(errors, `spec.clusterIPs[${i}]`, ip, broken)
      areValid &&= broken.length === 0
    }
  }
  if (ips.length > 2) errors.push(invalid('spec.clusterIPs', ips, 'may only hold up to 2 values'))
  return areValid
}

function checkFamilies(errors: FieldError[], spec: ServiceSpec, old: ServiceSpec | undefined): void {
  const { type, clusterIP, clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec
  if (type === 'ExternalName') return
  if (!clusterIP) {
    if (clusterIPs.length > 0) errors.push(invalid('spec.clusterIPs', clusterIPs, 'must be empty when `clusterIP` is not specified'))
  } else if (clusterIPs.length === 0) errors.push(required('spec.clusterIPs'))
  else if (clusterIPs[0] !== clusterIP) errors.push(invalid('spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`'))
  for (const [i, family] of ipFamilies.entries()) {
    if (!FAMILIES.includes(family)) errors.push(notSupported(`spec.ipFamilies[${i}]`, family, FAMILIES))
    if (ipFamilies.indexOf(family) < i) errors.push(duplicate(`spec.ipFamilies[${i}]`, family))
  }
  if (ipFamilyPolicy !== undefined && !FAMILY_POLICIES.includes(ipFamilyPolicy))
    errors.push(notSupported('spec.ipFamilyPolicy', ipFamilyPolicy, FAMILY_POLICIES))
  if (!checkClusterIps(errors, clusterIPs, old?.clusterIPs ?? []) || isHeadless(spec)) return
  const [first = '', second] = clusterIPs
  if (second !== undefined && isIPv6(first) === isIPv6(second))
    errors.push(invalid('spec.clusterIPs', clusterIPs, 'may specify no more than one IP for each IP family'))
  for (const [i, ip] of clusterIPs.slice(0, ipFamilies.length).entries()) {
    const family = ipFamilies[i]
    const isOther = family === 'IPv4' ? isIPv6(ip) : family === 'IPv6' && !isIPv6(ip)
    if (isOther) errors.push(invalid(`spec.clusterIPs[${i}]`, ip, `expected an ${family} value as indicated by \`ipFamilies[${i}]\``))
  }
}

/** Of its addresses and families alone: what has to hold before addresses are given out. */
export function validateServiceFamilies(spec: ServiceSpec, old: ServiceSpec | undefined): FieldError[] {
  const errors: FieldError[] = []
  checkFamilies(errors, spec, old)
  return errors
}

function checkSourceRanges(errors: FieldError[], { metadata, spec = {} }: Service, old: Service | undefined): void {
  const ranges = (spec.loadBalancerSourceRanges ?? []).map((range) => range.trim())
  const annotation = metadata.annotations?.[SOURCE_RANGES_ANNOTATION]
  if (ranges.length > 0) {
    const known = (old?.spec?.loadBalancerSourceRanges ?? []).map((range) => range.trim())
    if (!isLoadBalancer(spec)) errors.push(forbidden('spec.LoadBalancerSourceRanges', ONLY_LOAD_BALANCERS))
    ranges.forEach((range, i) => {
      if (!known.includes(range)) check(errors, `spec.LoadBalancerSourceRanges[${i}]`, range, isValidCidr(range))
    })
  } else if (annotation !== undefined) {
    const path = `metadata.annotations[${SOURCE_RANGES_ANNOTATION}]`
    if (!isLoadBalancer(spec)) errors.push(forbidden(path, ONLY_LOAD_BALANCERS))
    if (annotation.trim() === '' || old?.metadata.annotations?.[SOURCE_RANGES_ANNOTATION] === annotation) return
    for (const range of annotation.split(',')) check(errors, path, range.trim(), isValidCidr(range.trim()))
  }
}

function checkLoadBalancer(errors: FieldError[], spec: ServiceSpec): void {
  const { allocateLoadBalancerNodePorts: allocates, loadBalancerClass } = spec
  if (allocates !== undefined && !isLoadBalancer(spec)) errors.push(forbidden('spec.allocateLoadBalancerNodePorts', ONLY_LOAD_BALANCERS))
  if (allocates === undefined && isLoadBalancer(spec)) errors.push(required('allocateLoadBalancerNodePorts'))
  if (loadBalancerClass !== undefined) checkLoadBalancerClass(errors, spec, loadBalancerClass)
}

function checkLoadBalancerClass(errors: FieldError[], spec: ServiceSpec, loadBalancerClass: string): void {
  if (isLoadBalancer(spec)) check(errors, 'spec.loadBalancerClass', loadBalancerClass, isQualifiedName(loadBalancerClass))
  else errors.push(forbidden('spec.loadBalancerClass', ONLY_LOAD_BALANCERS))
}

function checkTraffic(errors: FieldError[], spec: ServiceSpec): void {
  const { externalTrafficPolicy: external, healthCheckNodePort: healthPort, internalTrafficPolicy: internal, trafficDistribution } = spec
  if (isExternal(spec)) checkOneOf(errors, 'spec.externalTrafficPolicy', external, TRAFFIC)
  else if (external) errors.push(invalid('spec.externalTrafficPolicy', external, 'may only be set for externally-accessible services'))
  if (needsHealthCheck(spec)) {
    if (!healthPort) errors.push(required('spec.healthCheckNodePort'))
    else check(errors, 'spec.healthCheckNodePort', healthPort, isPortNumber(healthPort))
  } else if (healthPort) {
    errors.push(
      invalid(
        'spec.healthCheckNodePort',
        healthPort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
    )
  }
  if (internal !== undefined) {
    if (!TRAFFIC.includes(internal)) errors.push(notSupported('spec.internalTrafficPolicy', internal, TRAFFIC))
  } else if (hasNodePorts(spec) || spec.type === 'ClusterIP') errors.push(required('spec.internalTrafficPolicy'))
  if (trafficDistribution !== undefined && !DISTRIBUTIONS.includes(trafficDistribution)) {
    errors.push(notSupported('spec.trafficDistribution', trafficDistribution, DISTRIBUTIONS))
  }
}

function checkService(errors: FieldError[], service: Service, old: Service | undefined): void {
  const {
    metadata: { annotations = {} },
    spec = {},
  } = service
  const [hints, mode] = [annotations[HINTS_ANNOTATION], annotations[MODE_ANNOTATION]]
  if (hints !== undefined && mode !== undefined && hints !== mode) {
    errors.push(
      invalid(`metadata.annotations[${MODE_ANNOTATION}]`, mode, `must match annotations[${HINTS_ANNOTATION}] when both are specified`),
    )
  }
  const { ports = [], externalIPs = [] } = spec
  if (ports.length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName') errors.push(required('spec.ports'))
  checkType(errors, spec)
  const names = new Set<string>()
  ports.forEach((port, i) => checkPort(errors, port, ports.length > 1, names, `spec.ports[${i}]`))
  if (spec.selector) errors.push(...validateLabels(spec.selector, 'spec.selector'))
  checkAffinity(errors, spec)
  checkFamilies(errors, spec, old?.spec)
  for (const [i, ip] of externalIPs.entries()) {
    const broken = old?.spec?.externalIPs?.includes(ip) ? [] : isValidIp(ip)
    check(errors, `spec.externalIPs[${i}]`, ip, broken.length > 0 ? broken : endpointIpErrors(ip))
  }
  checkOneOf(errors, 'spec.type', spec.type, TYPES)
  checkDoublePorts(errors, spec)
  checkSourceRanges(errors, service, old)
  checkLoadBalancer(errors, spec)
  checkTraffic(errors, spec)
}

export function validateService(service: Service): FieldError[] {
  const errors: FieldError[] = []
  checkService(errors, service, undefined)
  return errors
}

/** The first of a list stays; the second of two may be let go of, by a service that says so. */
function checkListUpdate(errors: FieldError[], field: 'clusterIPs' | 'ipFamilies', next: ServiceSpec, old: ServiceSpec): void {
  const one = field === 'clusterIPs' ? 'clusterIP' : 'ipFamily'
  const [now, before, ips] = [next[field] ?? [], old[field] ?? [], next.clusterIPs ?? []]
  const changed = 'may not change once set'
  if (now.length === before.length) {
    before.forEach((value, i) => {
      if (value !== now[i]) errors.push(invalid(`spec.${field}[${field === 'clusterIPs' ? i : 0}]`, now, changed))
    })
    return
  }
  const isReleased = before.length > now.length
  if (isReleased && ips.length === 0) errors.push(invalid(`spec.${field}[0]`, now, `primary ${one} can not be unset`))
  if (now.length > 0 && before.length > 0 && now[0] !== before[0]) errors.push(invalid(`spec.${field}[0]`, ips, changed))
  if (isReleased && now.length === 1 && next.ipFamilyPolicy !== 'SingleStack') {
    errors.push(
      invalid('spec.ipFamilyPolicy', next.ipFamilyPolicy ?? null, `must be set to 'SingleStack' when releasing the secondary ${one}`),
    )
  }
}

function checkUpdate(errors: FieldError[], next: ServiceSpec, old: ServiceSpec): void {
  if (next.type !== 'ExternalName' && old.type !== 'ExternalName') {
    const [now, before] = [isHeadless(next), isHeadless(old)]
    if (!now || !before) checkListUpdate(errors, 'clusterIPs', next, old)
    if (!now && !before) checkListUpdate(errors, 'ipFamilies', next, old)
  }
  if (isLoadBalancer(next) && isLoadBalancer(old) && next.loadBalancerClass !== old.loadBalancerClass) {
    errors.push(invalid('spec.loadBalancerClass', next.loadBalancerClass ?? null, 'may not change once set'))
  }
  // The rules of a new service say it once more.
  if (next.loadBalancerClass !== undefined) checkLoadBalancerClass(errors, next, next.loadBalancerClass)
  if (needsHealthCheck(next) && needsHealthCheck(old) && next.healthCheckNodePort !== old.healthCheckNodePort) {
    errors.push(forbidden('spec.healthCheckNodePort', IMMUTABLE))
  }
}

export function validateServiceUpdate(next: Service, old: Service): FieldError[] {
  const errors: FieldError[] = []
  checkUpdate(errors, next.spec ?? {}, old.spec ?? {})
  checkService(errors, next, old)
  return errors
}

const IP_MODES = ['Proxy', 'VIP']

export function validateServiceStatus({ spec = {}, status }: Service, old?: Service): FieldError[] {
  const errors: FieldError[] = []
  const ingress = status?.loadBalancer?.ingress ?? []
  const path = 'status.loadBalancer.ingress'
  if (ingress.length > 0 && !isLoadBalancer(spec)) return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
  const known = (old?.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip)
  for (const [i, { ip, ipMode, hostname }] of ingress.entries()) {
    const at = `${path}[${i}]`
    if (ip && !known.includes(ip)) check(errors, `${at}.ip`, ip, isValidIp(ip))
    if (ipMode === undefined) {
      if (ip) errors.push(required(`${at}.ipMode`, 'must be specified when `ip` is set'))
    } else if (!ip) errors.push(forbidden(`${at}.ipMode`, 'may not be specified when `ip` is not set'))
    else if (!IP_MODES.includes(ipMode)) errors.push(notSupported(`${at}.ipMode`, ipMode, IP_MODES))
    if (!hostname) continue
    check(errors, `${at}.hostname`, hostname, isDns1123Subdomain(hostname))
    if (canonicalIp(hostname) !== undefined) errors.push(invalid(`${at}.hostname`, hostname, 'must be a DNS name, not an IP address'))
  }
  return errors
}
