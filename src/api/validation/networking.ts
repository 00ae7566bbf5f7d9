/** networking.k8s.io. */
import { asGiven } from '../codec/goShape.ts'
import { check, forbidden, invalid, invalidAll, notSupported, required, tooLong } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import {
  canonicalIp,
  cidrContains,
  isDns1123Subdomain,
  isPathSegmentName,
  isPortName,
  isPortNumber,
  isValidCidr,
  isValidIp,
  isWildcardDns1123Subdomain,
  nameIsDnsLabel,
  nameIsDnsSubdomain,
  parseCidr,
} from './names.ts'
import { checkImmutable } from './values.ts'
import type {
  HTTPIngressPath,
  IPBlock,
  Ingress,
  IngressBackend,
  IngressClass,
  IngressRule,
  IngressTLS,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../kinds/networking/v1.ts'
import type { FieldError } from '../status.ts'

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class'

function checkReference(errors: FieldError[], reference: { apiGroup?: string; kind: string; name: string }, path: string): void {
  const { apiGroup } = reference
  if (typeof apiGroup === 'string') check(errors, `${path}.apiGroup`, apiGroup, isDns1123Subdomain(apiGroup))
  for (const field of ['kind', 'name'] as const) {
    const value = reference[field]
    if (!value) errors.push(required(`${path}.${field}`))
    else check(errors, `${path}.${field}`, value, isPathSegmentName(value, false))
  }
}

function validateBackend(backend: IngressBackend | undefined, path: string): FieldError[] {
  const { resource, service } = backend ?? {}
  if (resource && service) return [invalid(path, '', 'cannot set both resource and service backends')]
  if (resource) {
    const errors: FieldError[] = []
    checkReference(errors, resource, `${path}.resource`)
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
  if (typeof pathType !== 'string') return [required(`${at}.pathType`, 'pathType must be specified')]
  const errors: FieldError[] = []
  if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!path.startsWith('/')) errors.push(invalid(`${at}.path`, path, 'must be an absolute path'))
    for (const part of PATH_FRAGMENTS) if (path.includes(part)) errors.push(invalid(`${at}.path`, path, `must not contain '${part}'`))
    for (const suffix of PATH_SUFFIXES) if (path.endsWith(suffix)) errors.push(invalid(`${at}.path`, path, `cannot end with '${suffix}'`))
  } else if (pathType === 'ImplementationSpecific') {
    if (path && !path.startsWith('/')) errors.push(invalid(`${at}.path`, path, 'must be an absolute path'))
  } else errors.push(notSupported(`${at}.pathType`, pathType, ['Exact', 'ImplementationSpecific', 'Prefix']))
  return [...errors, ...validateBackend(backend, `${at}.backend`)]
}

function validateHost(host: string, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (canonicalIp(host) !== undefined) errors.push(invalid(path, host, 'must be a DNS name, not an IP address'))
  check(errors, path, host, host.includes('*') ? isWildcardDns1123Subdomain(host) : isDns1123Subdomain(host))
  return errors
}

function validatePaths({ http }: IngressRule, path: string): FieldError[] {
  if (!http) return []
  const paths = http.paths ?? []
  if (paths.length === 0) return [required(`${path}.http.paths`)]
  return paths.flatMap((item, i) => validatePath(item, `${path}.http.paths[${i}]`))
}

const secretNameErrors = (name = ''): string[] => (name ? nameIsDnsSubdomain(name, false) : [])

/** What an ingress of former days may keep. */
interface Kept {
  secretNames?: boolean
  wildcardRules?: boolean
}

function validateTls({ hosts, secretName = '' }: IngressTLS, kept: Kept, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [i, host] of (hosts ?? []).entries()) {
    check(errors, `${path}.hosts[${i}]`, host, host.includes('*') ? isWildcardDns1123Subdomain(host) : isDns1123Subdomain(host))
  }
  if (!kept.secretNames) check(errors, `${path}.secretName`, secretName, secretNameErrors(secretName))
  return errors
}

function validateIngressSpec({ spec }: Ingress, kept: Kept): FieldError[] {
  const { defaultBackend, ingressClassName, ...lists } = spec ?? {}
  const [rules, tls] = [lists.rules ?? [], lists.tls ?? []]
  const errors: FieldError[] = []
  const shown = spec && asGiven(spec, 'rules')?.length === 0 ? [] : null
  if (rules.length === 0 && !defaultBackend) errors.push(invalid('spec', shown, 'either `defaultBackend` or `rules` must be specified'))
  if (defaultBackend) errors.push(...validateBackend(defaultBackend, 'spec.defaultBackend'))
  for (const [i, rule] of rules.entries()) {
    const at = `spec.rules[${i}]`
    if (rule.host) errors.push(...validateHost(rule.host, `${at}.host`))
    if (!kept.wildcardRules || !rule.host?.includes('*')) errors.push(...validatePaths(rule, at))
  }
  for (const [i, entry] of tls.entries()) errors.push(...validateTls(entry, kept, `spec.tls[${i}]`))
  if (ingressClassName !== undefined) check(errors, 'spec.ingressClassName', ingressClassName, nameIsDnsSubdomain(ingressClassName, false))
  return errors
}

export function validateIngress(ingress: Ingress): FieldError[] {
  const errors = validateIngressSpec(ingress, {})
  const annotation = ingress.metadata.annotations?.[CLASS_ANNOTATION]
  const name = ingress.spec?.ingressClassName
  if (annotation !== undefined && name !== undefined && annotation !== name) {
    errors.push(invalid(`annotations.${CLASS_ANNOTATION}`, annotation, 'must match `ingressClassName` when both are specified'))
  }
  return errors
}

export function validateIngressUpdate(next: Ingress, { spec: old }: Ingress): FieldError[] {
  return validateIngressSpec(next, {
    secretNames: (old?.tls ?? []).some(({ secretName }) => secretNameErrors(secretName).length > 0),
    wildcardRules: (old?.rules ?? []).some((rule) => rule.host?.includes('*') && validatePaths(rule, '').length > 0),
  })
}

export function validateIngressStatusUpdate(next: Ingress, old: Ingress): FieldError[] {
  const errors: FieldError[] = []
  const known = new Set((old.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip))
  for (const [i, { ip, hostname }] of (next.status?.loadBalancer?.ingress ?? []).entries()) {
    const at = `status.loadBalancer.ingress[${i}]`
    if (ip && !known.has(ip)) check(errors, `${at}.ip`, ip, isValidIp(ip))
    if (!hostname) continue
    check(errors, `${at}.hostname`, hostname, isDns1123Subdomain(hostname))
    if (canonicalIp(hostname) !== undefined) errors.push(invalid(`${at}.hostname`, hostname, 'must be a DNS name, not an IP address'))
  }
  return errors
}

const CONTROLLER_LIMIT = 250

const URL_PATH_RE = /^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/
const URL_PATH_ERROR = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"

/** A name like `acme.io/foo`. */
function checkDomainPath(errors: FieldError[], value: string, path: string): void {
  const slash = value.indexOf('/')
  const [host, rest] = [value.slice(0, Math.max(0, slash)), value.slice(slash + 1)]
  if (!value) errors.push(required(path))
  else if (!host || !rest) errors.push(invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")'))
  else {
    check(errors, path, host, isDns1123Subdomain(host))
    if (!URL_PATH_RE.test(rest)) errors.push(invalid(path, rest, URL_PATH_ERROR))
  }
}

export function validateIngressClass({ spec }: IngressClass): FieldError[] {
  const errors: FieldError[] = []
  const { controller = '', parameters } = spec ?? {}
  if (Buffer.byteLength(controller) > CONTROLLER_LIMIT) errors.push(tooLong('spec.controller', CONTROLLER_LIMIT))
  checkDomainPath(errors, controller, 'spec.controller')
  if (!parameters) return errors
  checkReference(errors, parameters, 'spec.parameters')
  const { scope, namespace } = parameters
  const at = 'spec.parameters.namespace'
  if (typeof scope !== 'string') errors.push(required('spec.parameters.scope'))
  else if (scope === 'Namespace') {
    if (namespace === undefined) errors.push(required(at, "`parameters.scope` is set to 'Namespace'"))
    else check(errors, at, namespace, nameIsDnsLabel(namespace, false))
  } else if (scope !== 'Cluster') errors.push(notSupported('spec.parameters.scope', scope, ['Cluster', 'Namespace']))
  else if (namespace !== undefined) errors.push(forbidden(at, "`parameters.scope` is set to 'Cluster'"))
  return errors
}

export function validateIngressClassUpdate(next: IngressClass, old: IngressClass): FieldError[] {
  const errors: FieldError[] = []
  checkImmutable(errors, 'spec.controller', next.spec?.controller ?? '', old.spec?.controller ?? '')
  return [...errors, ...validateIngressClass(next)]
}

function validatePolicyPort({ port, endPort, protocol }: NetworkPolicyPort, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (protocol !== undefined && !['TCP', 'UDP', 'SCTP'].includes(protocol))
    errors.push(notSupported(`${path}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']))
  if (port === undefined) {
    if (endPort !== undefined) errors.push(invalid(`${path}.endPort`, endPort, 'may not be specified when `port` is not specified'))
  } else if (typeof port === 'number') {
    errors.push(...invalidAll(`${path}.port`, port, isPortNumber(port)))
    if (endPort !== undefined && endPort < port) errors.push(invalid(`${path}.endPort`, port, 'must be greater than or equal to `port`'))
    if (endPort !== undefined) errors.push(...invalidAll(`${path}.endPort`, endPort, isPortNumber(endPort)))
  } else {
    if (endPort !== undefined) errors.push(invalid(`${path}.endPort`, endPort, 'may not be specified when `port` is non-numeric'))
    errors.push(...invalidAll(`${path}.port`, port, isPortName(port)))
  }
  return errors
}

function validateBlock({ cidr, except }: IPBlock, known: ReadonlySet<string>, path: string): FieldError[] {
  if (!cidr) return [required(`${path}.cidr`)]
  const errors: FieldError[] = []
  if (!known.has(cidr)) check(errors, `${path}.cidr`, cidr, isValidCidr(cidr))
  const outer = parseCidr(cidr)
  if (!outer) return errors
  for (const [i, text] of (except ?? []).entries()) {
    const at = `${path}.except[${i}]`
    if (!known.has(text)) check(errors, at, text, isValidCidr(text))
    const inner = parseCidr(text)
    if (inner && (inner.prefixLength <= outer.prefixLength || !cidrContains(outer, inner)))
      errors.push(invalid(at, text, 'must be a strict subset of `cidr`'))
  }
  return errors
}

function validatePeer(
  { ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer,
  known: ReadonlySet<string>,
  path: string,
): FieldError[] {
  const errors: FieldError[] = []
  if (podSelector) errors.push(...validateLabelSelector(podSelector, `${path}.podSelector`))
  if (namespaceSelector) errors.push(...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`))
  if (ipBlock) errors.push(...validateBlock(ipBlock, known, `${path}.ipBlock`))
  if (!ipBlock && !podSelector && !namespaceSelector) errors.push(required(path, 'must specify a peer'))
  else if (ipBlock && (podSelector || namespaceSelector)) errors.push(forbidden(path, 'may not specify both ipBlock and another peer'))
  return errors
}

function validatePolicySpec({ spec }: NetworkPolicy, known: ReadonlySet<string>): FieldError[] {
  const errors = validateLabelSelector(spec?.podSelector, 'spec.podSelector')
  const checkRule = (ports: NetworkPolicyPort[] | undefined, peers: NetworkPolicyPeer[] | undefined, path: string, side: string): void => {
    for (const [i, port] of (ports ?? []).entries()) errors.push(...validatePolicyPort(port, `${path}.ports[${i}]`))
    for (const [i, peer] of (peers ?? []).entries()) errors.push(...validatePeer(peer, known, `${path}.${side}[${i}]`))
  }
  for (const [i, rule] of (spec?.ingress ?? []).entries()) checkRule(rule.ports, rule.from, `spec.ingress[${i}]`, 'from')
  for (const [i, rule] of (spec?.egress ?? []).entries()) checkRule(rule.ports, rule.to, `spec.egress[${i}]`, 'to')
  const types = spec?.policyTypes ?? []
  if (types.length > 2) return [...errors, invalid('spec.policyTypes', types, 'may not specify more than two policyTypes')]
  for (const [i, type] of types.entries())
    if (type !== 'Ingress' && type !== 'Egress') errors.push(notSupported(`spec.policyTypes[${i}]`, type, ['Ingress', 'Egress']))
  return errors
}

const NONE: ReadonlySet<string> = new Set()

export const validateNetworkPolicy = (policy: NetworkPolicy): FieldError[] => validatePolicySpec(policy, NONE)

/** Ranges that are there already may stay as they are. */
export function validateNetworkPolicyUpdate(next: NetworkPolicy, { spec: old }: NetworkPolicy): FieldError[] {
  const peers = [...(old?.ingress ?? []).flatMap(({ from }) => from ?? []), ...(old?.egress ?? []).flatMap(({ to }) => to ?? [])]
  const ranges = peers.flatMap(({ ipBlock }) => (ipBlock ? [ipBlock.cidr, ...(ipBlock.except ?? [])] : []))
  return validatePolicySpec(next, new Set(ranges))
}
