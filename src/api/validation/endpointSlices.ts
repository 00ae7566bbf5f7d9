/** Endpoint slices (pkg/apis/discovery/validation). */
import { isIPv4, isIPv6 } from 'node:net'
import { deepEqual } from '../meta.ts'
import { endpointIpErrors } from './addresses.ts'
import { check, duplicate, invalid, notSupported, required, tooMany } from './fieldErrors.ts'
import { isCanonicalIp, isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName, isValidIp, nameIsDnsSubdomain } from './names.ts'
import { validateLabels } from './objectMeta.ts'
import { checkImmutable, checkOneOf } from './values.ts'
import type { Endpoint, EndpointHints, EndpointPort, EndpointSlice } from '../kinds/discovery/v1.ts'
import type { FieldError } from '../status.ts'

const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const ENDPOINTS_LIMIT = 1000
const ADDRESSES_LIMIT = 100
const PORTS_LIMIT = 20_000
const TOPOLOGY_LABELS_LIMIT = 16
const HINTS_LIMIT = 8

/** The first rule that a domain name breaks. */
function checkDomain(errors: FieldError[], address: string, path: string): void {
  const name = address.endsWith('.') ? address.slice(0, -1) : address
  const broken = isDns1123Subdomain(name)
  if (!address) errors.push(required(path))
  else if (broken.length > 0) errors.push(invalid(path, name, broken.join(',')))
  else if (!name.includes('.')) errors.push(invalid(path, name, 'should be a domain with at least two segments separated by dots'))
  else {
    const label = name.split('.').find((part) => isDns1123Label(part).length > 0)
    if (label !== undefined) errors.push(invalid(path, label, isDns1123Label(label).join(',')))
  }
}

function checkAddress(errors: FieldError[], address: string, type: string, list: string, path: string): void {
  if (type === 'FQDN') {
    checkDomain(errors, address, path)
    return
  }
  if (type !== 'IPv4' && type !== 'IPv6') return
  const broken = type === 'IPv4' ? isValidIp(address) : isCanonicalIp(address)
  check(errors, path, address, broken)
  if (broken.length > 0) return
  if (type === 'IPv4' && !isIPv4(address)) errors.push(invalid(list, address, 'must be an IPv4 address'))
  if (type === 'IPv6' && !isIPv6(address)) errors.push(invalid(list, address, 'must be an IPv6 address'))
  check(errors, path, address, endpointIpErrors(address))
}

function checkHints(errors: FieldError[], hints: EndpointHints, path: string): void {
  for (const field of ['forZones', 'forNodes'] as const) {
    const names = (hints[field] ?? []).map(({ name }) => name)
    if (names.length > HINTS_LIMIT) {
      errors.push(tooMany(`${path}.${field}`, names.length, HINTS_LIMIT))
      return
    }
    for (const [i, name] of names.entries()) {
      const at = `${path}.${field}[${i}].name`
      if (names.indexOf(name) < i) errors.push(duplicate(at, name))
      check(errors, at, name, field === 'forZones' ? isLabelValue(name) : nameIsDnsSubdomain(name, false))
    }
  }
}

function checkEndpoint(errors: FieldError[], endpoint: Endpoint, type: string, path: string): void {
  const { nodeName, hostname, hints, deprecatedTopology = {} } = endpoint
  const addresses = endpoint.addresses ?? []
  const list = `${path}.addresses`
  if (addresses.length === 0) errors.push(required(list, 'must contain at least 1 address'))
  else if (addresses.length > ADDRESSES_LIMIT) errors.push(tooMany(list, addresses.length, ADDRESSES_LIMIT))
  addresses.forEach((address, i) => checkAddress(errors, address, type, list, `${list}[${i}]`))
  if (nodeName !== undefined) check(errors, `${path}.nodeName`, nodeName, nameIsDnsSubdomain(nodeName, false))
  const topology = `${path}.deprecatedTopology`
  const labels = Object.keys(deprecatedTopology).length
  if (labels > TOPOLOGY_LABELS_LIMIT) errors.push(tooMany(topology, labels, TOPOLOGY_LABELS_LIMIT))
  errors.push(...validateLabels(deprecatedTopology, topology))
  if (hostname !== undefined) check(errors, `${path}.hostname`, hostname, isDns1123Label(hostname))
  if (hints) checkHints(errors, hints, `${path}.hints`)
}

function checkPorts(errors: FieldError[], ports: readonly EndpointPort[]): void {
  if (ports.length > PORTS_LIMIT) {
    errors.push(tooMany('ports', ports.length, PORTS_LIMIT))
    return
  }
  const names = new Set<string>()
  for (const [i, { name = '', protocol, appProtocol }] of ports.entries()) {
    if (name) check(errors, `ports[${i}].name`, name, isDns1123Label(name))
    if (names.has(name)) errors.push(duplicate(`ports[${i}].name`, name))
    names.add(name)
    if (protocol === undefined) errors.push(required(`ports[${i}].protocol`))
    else if (!PROTOCOLS.includes(protocol)) errors.push(notSupported(`ports[${i}].protocol`, protocol, PROTOCOLS))
    if (appProtocol !== undefined) check(errors, `ports[${i}].appProtocol`, appProtocol, isQualifiedName(appProtocol))
  }
}

export function validateEndpointSlice({ addressType, ports, endpoints }: EndpointSlice, old?: EndpointSlice): FieldError[] {
  const errors: FieldError[] = []
  checkOneOf(errors, 'addressType', addressType, ADDRESS_TYPES)
  checkPorts(errors, ports ?? [])
  const count = endpoints?.length ?? 0
  if (count > ENDPOINTS_LIMIT) errors.push(tooMany('endpoints', count, ENDPOINTS_LIMIT))
  else if (!old || !deepEqual(old.endpoints, endpoints))
    endpoints?.forEach((endpoint, i) => checkEndpoint(errors, endpoint, addressType, `endpoints[${i}]`))
  if (old) checkImmutable(errors, 'addressType', addressType, old.addressType)
  return errors
}
