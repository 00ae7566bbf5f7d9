/** Endpoints, the older form of endpoint slices. */
import { deepEqual } from '../meta.ts'
import { endpointIpErrors } from './addresses.ts'
import { check, required } from './fieldErrors.ts'
import { isDns1123Label, isPortNumber, isQualifiedName, isValidIp, nameIsDnsSubdomain } from './names.ts'
import { checkOneOf } from './values.ts'
import type { EndpointAddress, EndpointPort, Endpoints } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const PROTOCOLS = ['SCTP', 'TCP', 'UDP']

function checkAddress(errors: FieldError[], { ip, hostname, nodeName }: EndpointAddress, path: string): void {
  check(errors, `${path}.ip`, ip, isValidIp(ip))
  if (hostname) check(errors, `${path}.hostname`, hostname, isDns1123Label(hostname))
  if (nodeName !== undefined) check(errors, `${path}.nodeName`, nodeName, nameIsDnsSubdomain(nodeName, false))
  check(errors, `${path}.ip`, ip, endpointIpErrors(ip))
}

function checkPort(errors: FieldError[], { name, port, protocol, appProtocol }: EndpointPort, needsName: boolean, path: string): void {
  if (name) check(errors, `${path}.name`, name, isDns1123Label(name))
  else if (needsName) errors.push(required(`${path}.name`))
  check(errors, `${path}.port`, port, isPortNumber(port))
  checkOneOf(errors, `${path}.protocol`, protocol, PROTOCOLS)
  if (appProtocol !== undefined) check(errors, `${path}.appProtocol`, appProtocol, isQualifiedName(appProtocol))
}

export function validateEndpoints({ subsets = [] }: Endpoints, old?: Endpoints): FieldError[] {
  const errors: FieldError[] = []
  for (const [i, { addresses = [], notReadyAddresses = [], ports = [] }] of subsets.entries()) {
    const at = `subsets[${i}]`
    if (addresses.length === 0 && notReadyAddresses.length === 0)
      errors.push(required(at, 'must specify `addresses` or `notReadyAddresses`'))
    addresses.forEach((address, j) => checkAddress(errors, address, `${at}.addresses[${j}]`))
    notReadyAddresses.forEach((address, j) => checkAddress(errors, address, `${at}.notReadyAddresses[${j}]`))
    ports.forEach((port, j) => checkPort(errors, port, ports.length > 1, `${at}.ports[${j}]`))
  }
  return old && deepEqual(old.subsets, subsets) ? [] : errors
}
