/** networking.k8s.io. */
import { forbidden, IMMUTABLE, invalid, invalidAll, notSupported, required, tooLong } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import {
  isDns1123Subdomain, isPathSegmentName, isPortName, isPortNumber, isValidCidr, isWildcardDns1123Subdomain, nameIsDnsLabel, nameIsDnsSubdomain,
} from './names.ts'
import { isIP, isIPv4, isIPv6 } from 'node:net'
import type { HTTPIngressPath, IPBlock, Ingress, IngressBackend, IngressClass, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../kinds/networking/v1.ts'
import type { FieldError } from '../status.ts'

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class'

function validateBackend(backend: IngressBackend | undefined, path: string): FieldError[] {
  const { resource, service } = backend ?? {}
  if (resource && service) return [invalid(path, '', 'cannot set both resource and service backends')]
  if (resource) {
    const errors: FieldError[] = []
    if (!resource.kind) errors.push(required(`${path}.resource.kind`))
    if (!resource.name) errors.push(required(`${path}.resource.name`))
    return errors
  }
  if (!service) return [invalid(path, '', 'resource or service backend is required')]
  const errors: FieldError[] = []
  if (!service.name) errors.push(required(`${path}.service.name`))
  else errors.push(...invalidAll(`${path}.service.name`, service.name, nameIsDnsLabel(service.name, false)))
  const { name, number = 0 } = service.port ?? {}
  if (name && number) errors.push(invalid(path, '', 'cannot set both port name & port number'))
  else if (name) errors.push(...invalidAll(`${path}.service.port.name`, name, isPortName(name)))
  else if (number) errors.push(...invalidAll(`${path}.service.port.number`, number, isPortNumber(number)))
  else errors.push(required(path, 'port name or number is required'))
  return errors
}

const PATH_FRAGMENTS = ['//', '/./', '/../', '%2f', '%2F']
const PATH_SUFFIXES = ['/..', '/.']

function validatePath({ path = '', pathType, backend }: HTTPIngressPath, at: string): FieldError[] {
  const errors: FieldError[] = []
  if (!pathType) errors.push(required(`${at}.pathType`, 'pathType must be specified'))
  else if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!path.startsWith('/')) errors.push(invalid(`${at}.path`, path, 'must be an absolute path'))
    for (const part of PATH_FRAGMENTS) if (path.includes(part)) errors.push(invalid(`${at}.path`, path, `must not contain '${part}'`))
    for (const suffix of PATH_SUFFIXES) if (path.endsWith(suffix)) errors.push(invalid(`${at}.path`, path, `cannot end with '${suffix}'`))
  } else if (pathType === 'ImplementationSpecific') {
    if (path && !path.startsWith('/')) errors.push(invalid(`${at}.path`, path, 'must be an absolute path'))
  } else errors.push(notSupported(`${at}.pathType`, pathType, ['Exact', 'ImplementationSpecific', 'Prefix']))
  return [...errors, ...validateBackend(backend, `${at}.backend`)]
}

function validateHost(host: string, path: string): FieldError[] {
  if (isIP(host) !== 0) return [invalid(path, host, 'must be a DNS name, not an IP address')]
  return invalidAll(path, host, host.includes('*') ? isWildcardDns1123Subdomain(host) : isDns1123Subdomain(host))
}

export function validateIngress(ingress: Ingress): FieldError[] {
  const { rules = [], tls = [], defaultBackend, ingressClassName } = ingress.spec ?? {}
  const errors: FieldError[] = []
  if (rules.length === 0 && !defaultBackend) errors.push(invalid('spec', null, 'either `defaultBackend` or `rules` must be specified'))
  if (defaultBackend) errors.push(...validateBackend(defaultBackend, 'spec.defaultBackend'))
  for (const [i, rule] of rules.entries()) {
    const at = `spec.rules[${i}]`
    if (rule.host) errors.push(...validateHost(rule.host, `${at}.host`))
    if (!rule.http) continue
    if (!rule.http.paths?.length) errors.push(required(`${at}.http.paths`))
    for (const [j, path] of (rule.http.paths ?? []).entries()) errors.push(...validatePath(path, `${at}.http.paths[${j}]`))
  }
  for (const [i, entry] of tls.entries()) {
    for (const [j, host] of (entry.hosts ?? []).entries()) {
      errors.push(...invalidAll(`spec.tls[${i}].hosts[${j}]`, host, host.includes('*') ? isWildcardDns1123Subdomain(host) : isDns1123Subdomain(host)))
    }
    if (entry.secretName) errors.push(...invalidAll(`spec.tls[${i}].secretName`, entry.secretName, nameIsDnsSubdomain(entry.secretName, false)))
  }
  if (ingressClassName !== undefined) errors.push(...invalidAll('spec.ingressClassName', ingressClassName, nameIsDnsSubdomain(ingressClassName, false)))
  const annotation = ingress.metadata.annotations?.[CLASS_ANNOTATION]
  if (annotation && ingressClassName !== undefined && annotation !== ingressClassName) {
    errors.push(invalid(`annotations.${CLASS_ANNOTATION}`, annotation, 'must match `ingressClassName` when both are specified'))
  }
  return errors
}

const CONTROLLER_LIMIT = 250

export function validateIngressClass({ spec }: IngressClass): FieldError[] {
  const errors: FieldError[] = []
  const controller = spec?.controller ?? ''
  if (!controller) errors.push(required('spec.controller'))
  else {
    const [domain = '', ...path] = controller.split('/')
    if (path.length === 0 || path.join('/') === '') errors.push(invalid('spec.controller', controller, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    else errors.push(...invalidAll('spec.controller', controller, isDns1123Subdomain(domain)))
    if (Buffer.byteLength(controller) > CONTROLLER_LIMIT) errors.push(tooLong('spec.controller', CONTROLLER_LIMIT))
  }
  const parameters = spec?.parameters
  if (!parameters) return errors
  if (!parameters.kind) errors.push(required('spec.parameters.kind'))
  else errors.push(...invalidAll('spec.parameters.kind', parameters.kind, isPathSegmentName(parameters.kind, false)))
  if (!parameters.name) errors.push(required('spec.parameters.name'))
  switch (parameters.scope) {
    case 'Namespace':
      if (!parameters.namespace) errors.push(required('spec.parameters.namespace', "`parameters.scope` is set to 'Namespace'"))
      break
    case 'Cluster':
      if (parameters.namespace !== undefined) errors.push(forbidden('spec.parameters.namespace', "`parameters.scope` is set to 'Cluster'"))
      break
    default:
      errors.push(notSupported('spec.parameters.scope', parameters.scope ?? '', ['Cluster', 'Namespace']))
  }
  return errors
}

export function validateIngressClassUpdate(next: IngressClass, old: IngressClass): FieldError[] {
  const controller = next.spec?.controller
  return controller === old.spec?.controller ? [] : [invalid('spec.controller', controller ?? '', IMMUTABLE)]
}

function validatePolicyPort({ port, endPort, protocol }: NetworkPolicyPort, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (protocol !== undefined && !['TCP', 'UDP', 'SCTP'].includes(protocol)) errors.push(notSupported(`${path}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']))
  if (port === undefined) {
    if (endPort !== undefined) errors.push(invalid(`${path}.endPort`, endPort, 'may not be specified when `port` is not specified'))
  } else if (typeof port === 'number') {
    errors.push(...invalidAll(`${path}.port`, port, isPortNumber(port)))
    if (endPort !== undefined && endPort < port) errors.push(invalid(`${path}.endPort`, port, 'must be greater than or equal to `port`'))
    else if (endPort !== undefined) errors.push(...invalidAll(`${path}.endPort`, endPort, isPortNumber(endPort)))
  } else {
    if (endPort !== undefined) errors.push(invalid(`${path}.endPort`, endPort, 'may not be specified when `port` is non-numeric'))
    errors.push(...invalidAll(`${path}.port`, port, isPortName(port)))
  }
  return errors
}

function addressBits(address: string): bigint {
  if (isIPv4(address)) return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n)
  const [head = '', tail] = address.split('::')
  const groups = (text: string): string[] => (text ? text.split(':') : [])
  const front = groups(head)
  const back = groups(tail ?? '')
  const middle = tail === undefined ? [] : Array.from({ length: 8 - front.length - back.length }, () => '0')
  return [...front, ...middle, ...back].reduce((sum, part) => sum * 65_536n + BigInt(`0x${part || '0'}`), 0n)
}

function rangeOf(cidr: string): { base: bigint; bits: number; size: number; exact: boolean } {
  const [address = '', length = '0'] = cidr.split('/')
  const size = isIPv6(address) ? 128 : 32
  const bits = Number(length)
  const value = addressBits(address)
  const mask = (1n << BigInt(size - bits)) - 1n
  return { base: value & ~mask, bits, size, exact: (value & mask) === 0n }
}

function validateBlock(block: IPBlock, path: string): FieldError[] {
  if (!block.cidr) return [required(`${path}.cidr`)]
  const wrong = isValidCidr(block.cidr)
  if (wrong.length > 0) return invalidAll(`${path}.cidr`, block.cidr, wrong)
  const outer = rangeOf(block.cidr)
  const errors: FieldError[] = outer.exact ? [] : [invalid(`${path}.cidr`, block.cidr, 'must not have bits set beyond the prefix length')]
  for (const [i, except] of (block.except ?? []).entries()) {
    const at = `${path}.except[${i}]`
    const bad = isValidCidr(except)
    if (bad.length > 0) {
      errors.push(...invalidAll(at, except, bad))
      continue
    }
    const inner = rangeOf(except)
    if (!inner.exact) errors.push(invalid(at, except, 'must not have bits set beyond the prefix length'))
    const inside = inner.size === outer.size && inner.bits > outer.bits && inner.base >> BigInt(inner.size - outer.bits) === outer.base >> BigInt(outer.size - outer.bits)
    if (!inside) errors.push(invalid(at, except, 'must be a strict subset of `cidr`'))
  }
  return errors
}

function validatePeer({ ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (podSelector) errors.push(...validateLabelSelector(podSelector, `${path}.podSelector`))
  if (namespaceSelector) errors.push(...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`))
  if (ipBlock) errors.push(...validateBlock(ipBlock, `${path}.ipBlock`))
  if (!ipBlock && !podSelector && !namespaceSelector) errors.push(required(path, 'must specify a peer'))
  else if (ipBlock && (podSelector || namespaceSelector)) errors.push(forbidden(path, 'may not specify both ipBlock and another peer'))
  return errors
}

export function validateNetworkPolicy({ spec }: NetworkPolicy): FieldError[] {
  const errors = validateLabelSelector(spec?.podSelector, 'spec.podSelector')
  for (const [i, rule] of (spec?.ingress ?? []).entries()) {
    errors.push(...(rule.ports ?? []).flatMap((port, j) => validatePolicyPort(port, `spec.ingress[${i}].ports[${j}]`)))
    errors.push(...(rule.from ?? []).flatMap((peer, j) => validatePeer(peer, `spec.ingress[${i}].from[${j}]`)))
  }
  for (const [i, rule] of (spec?.egress ?? []).entries()) {
    errors.push(...(rule.ports ?? []).flatMap((port, j) => validatePolicyPort(port, `spec.egress[${i}].ports[${j}]`)))
    errors.push(...(rule.to ?? []).flatMap((peer, j) => validatePeer(peer, `spec.egress[${i}].to[${j}]`)))
  }
  const types = spec?.policyTypes ?? []
  if (types.length > 2) return [...errors, invalid('spec.policyTypes', types, 'may not specify more than two policyTypes')]
  for (const [i, type] of types.entries()) if (type !== 'Ingress' && type !== 'Egress') errors.push(notSupported(`spec.policyTypes[${i}]`, type, ['Ingress', 'Egress']))
  return errors
}
