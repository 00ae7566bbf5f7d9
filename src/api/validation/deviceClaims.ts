/** Claims of devices, templates of claims, and classes of devices (pkg/apis/resource/validation). */
import { checkConditions } from './conditions.ts'
import { checkTemplateMetadata } from './claimSpec.ts'
import {
  REQUESTS_LIMIT,
  checkBinding,
  checkFullAttributeName,
  checkList,
  checkName,
  checkParameters,
  checkPoolName,
  checkToleration,
} from './devices.ts'
import { check, forbidden, invalid, notSupported, required, tooLong } from './fieldErrors.ts'
import { quote } from '../quote.ts'
import { goInternal } from './goInternal.ts'
import { canonicalCidr, isDns1123Subdomain } from './names.ts'
import { checkNodeSelector } from './nodeSelectors.ts'
import { isExtendedResource } from './resourceNames.ts'
import { NOT_POSITIVE, checkImmutable } from './values.ts'
import { checkCsiDriverName } from './volumeSources.ts'
import type {
  AllocationResult,
  DeviceClaim,
  DeviceClass,
  DeviceConstraint,
  DeviceRequest,
  DeviceSelector,
  ExactDeviceRequest,
  NetworkDeviceData,
  OpaqueDeviceConfiguration,
  ResourceClaim,
  ResourceClaimSpec,
  ResourceClaimStatus,
  ResourceClaimTemplate,
} from '../kinds/resource/v1.ts'
import type { FieldError } from '../status.ts'
import type { ExpressionRules } from './admissionRules.ts'

const SELECTORS_LIMIT = 32
const EXPRESSION_LIMIT_BYTES = 10 * 1024
const ALTERNATIVES_LIMIT = 8
const CONSTRAINTS_LIMIT = 32
const CONFIG_LIMIT = 32
const PARAMETERS_LIMIT_BYTES = 10 * 1024
const RESERVED_LIMIT = 256
const RESULTS_LIMIT = 32
const CONDITIONS_LIMIT = 8
const UUID_RE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const MODES = ['All', 'ExactCount']
const UNKNOWN_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"

function checkSelectors(
  errors: FieldError[],
  selectors: readonly DeviceSelector[] | undefined,
  rules: ExpressionRules | undefined,
  path: string,
): void {
  checkList(errors, selectors, SELECTORS_LIMIT, path, ({ cel }, at) => {
    const field = `${at}.cel.expression`
    if (!cel) errors.push(required(`${at}.cel`))
    else if (Buffer.byteLength(cel.expression) > EXPRESSION_LIMIT_BYTES) errors.push(tooLong(field, EXPRESSION_LIMIT_BYTES))
    else {
      const error = rules?.errorOf(cel.expression, 'deviceSelector', { hasParams: false, variables: [] })
      if (error) errors.push(invalid(field, cel.expression, error))
      else if (rules?.isTooComplex(cel.expression)) errors.push(forbidden(field, 'too complex, exceeds cost limit'))
    }
  })
}

function checkOneRequest(errors: FieldError[], request: ExactDeviceRequest, rules: ExpressionRules | undefined, path: string): void {
  const { deviceClassName, selectors, allocationMode: mode = '', count = 0, tolerations } = request
  if (!deviceClassName) errors.push(required(`${path}.deviceClassName`))
  else check(errors, `${path}.deviceClassName`, deviceClassName, isDns1123Subdomain(deviceClassName))
  checkSelectors(errors, selectors, rules, `${path}.selectors`)
  if (mode === 'All') {
    if (count !== 0) errors.push(invalid(`${path}.count`, count, "must not be specified when allocationMode is 'All'"))
  } else if (mode === 'ExactCount') {
    if (count <= 0) errors.push(invalid(`${path}.count`, count, NOT_POSITIVE))
  } else errors.push(notSupported(`${path}.allocationMode`, mode, MODES))
  for (const [i, toleration] of (tolerations ?? []).entries()) checkToleration(errors, toleration, `${path}.tolerations[${i}]`)
}

function checkRequest(
  errors: FieldError[],
  { name, exactly, firstAvailable = [] }: DeviceRequest,
  rules: ExpressionRules | undefined,
  path: string,
): void {
  checkName(errors, name, `${path}.name`)
  const text = 'exactly one of `exactly` or `firstAvailable` is required'
  if (exactly && firstAvailable.length > 0) errors.push(invalid(path, null, `${text}, but multiple fields are set`))
  else if (exactly) checkOneRequest(errors, exactly, rules, `${path}.exactly`)
  else if (firstAvailable.length === 0) errors.push(required(path, text))
  else {
    checkList(
      errors,
      firstAvailable,
      ALTERNATIVES_LIMIT,
      `${path}.firstAvailable`,
      (request, at) => {
        checkName(errors, request.name, `${at}.name`)
        checkOneRequest(errors, request, rules, at)
      },
      (request) => request.name,
    )
  }
}

/** The names by which the rest of a claim speaks of its requests. */
function requestNames({ requests }: DeviceClaim): ReadonlySet<string> {
  return new Set(
    (requests ?? []).flatMap(({ name, firstAvailable = [] }) => [
      name,
      ...firstAvailable.map((alternative) => `${name}/${alternative.name}`),
    ]),
  )
}

function checkReference(errors: FieldError[], name: string, names: ReadonlySet<string>, path: string): void {
  const segments = name.split('/')
  if (segments.length <= 2) for (const segment of segments) checkName(errors, segment, path)
  if (segments.length > 2 || !names.has(name)) errors.push(invalid(path, name, UNKNOWN_REQUEST))
}

function checkReferences(errors: FieldError[], requests: readonly string[] | undefined, names: ReadonlySet<string>, path: string): void {
  checkList(
    errors,
    requests,
    REQUESTS_LIMIT,
    `${path}.requests`,
    (name, at) => checkReference(errors, name, names, at),
    (name) => name,
  )
}

function checkConstraint(
  errors: FieldError[],
  { requests, matchAttribute, distinctAttribute }: DeviceConstraint,
  names: ReadonlySet<string>,
  path: string,
): void {
  checkReferences(errors, requests, names, path)
  if (matchAttribute !== undefined) checkFullAttributeName(errors, matchAttribute, `${path}.matchAttribute`)
  else if (distinctAttribute !== undefined) checkFullAttributeName(errors, distinctAttribute, `${path}.distinctAttribute`)
  else errors.push(required(path, 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'))
}

function checkConfiguration(errors: FieldError[], opaque: OpaqueDeviceConfiguration | undefined, path: string): void {
  if (!opaque) {
    errors.push(required(`${path}.opaque`))
    return
  }
  checkCsiDriverName(errors, opaque.driver, `${path}.opaque.driver`)
  checkParameters(errors, opaque.parameters, PARAMETERS_LIMIT_BYTES, `${path}.opaque.parameters`)
}

function checkSpec(errors: FieldError[], { devices = {} }: ResourceClaimSpec, rules: ExpressionRules | undefined, path: string): void {
  const names = requestNames(devices)
  const at = `${path}.devices`
  checkList(
    errors,
    devices.requests,
    REQUESTS_LIMIT,
    `${at}.requests`,
    (request, field) => checkRequest(errors, request, rules, field),
    ({ name }) => name,
  )
  checkList(errors, devices.constraints, CONSTRAINTS_LIMIT, `${at}.constraints`, (constraint, field) =>
    checkConstraint(errors, constraint, names, field),
  )
  checkList(errors, devices.config, CONFIG_LIMIT, `${at}.config`, ({ requests, opaque }, field) => {
    checkReferences(errors, requests, names, field)
    checkConfiguration(errors, opaque, field)
  })
}

export function validateResourceClaim({ spec }: ResourceClaim, rules?: ExpressionRules): FieldError[] {
  const errors: FieldError[] = []
  checkSpec(errors, spec ?? {}, rules, 'spec')
  return errors
}

const ADMIN_LABEL = 'resource.kubernetes.io/admin-access'

/** Devices that are in use may be looked into from namespaces alone that say so. `labels` are the namespace's. */
export function checkAdminAccess(
  errors: FieldError[],
  requests: readonly { adminAccess?: boolean }[],
  labels: () => Readonly<Record<string, string>> | undefined,
  path: string,
): void {
  const asking = requests.findIndex(({ adminAccess }) => adminAccess)
  if (asking < 0 || labels()?.[ADMIN_LABEL] === 'true') return
  const text = `admin access to devices requires the \`${ADMIN_LABEL}: true\` label on the containing namespace`
  errors.push(forbidden(`${path}[${asking}].adminAccess`, text))
}

export function validateResourceClaimUpdate(next: ResourceClaim, old: ResourceClaim): FieldError[] {
  const errors: FieldError[] = []
  checkImmutable(errors, 'spec', next.spec, old.spec, goInternal('resource.v1.ResourceClaimSpec', next.spec))
  return errors
}

export function validateResourceClaimTemplate({ spec }: ResourceClaimTemplate, rules?: ExpressionRules): FieldError[] {
  const errors: FieldError[] = []
  if (spec?.metadata) checkTemplateMetadata(errors, spec.metadata, 'spec.metadata')
  checkSpec(errors, spec?.spec ?? {}, rules, 'spec.spec')
  return errors
}

export function validateResourceClaimTemplateChange(next: ResourceClaimTemplate, old: ResourceClaimTemplate): FieldError[] {
  const errors: FieldError[] = []
  checkImmutable(errors, 'spec', next.spec, old.spec, goInternal('resource.v1.ResourceClaimTemplateSpec', next.spec))
  return errors
}

export function validateDeviceClass({ spec }: DeviceClass, rules?: ExpressionRules): FieldError[] {
  const errors: FieldError[] = []
  const { selectors, config, extendedResourceName: name } = spec ?? {}
  checkSelectors(errors, selectors, rules, 'spec.selectors')
  checkList(errors, config, CONFIG_LIMIT, 'spec.config', ({ opaque }, at) => checkConfiguration(errors, opaque, at))
  if (name !== undefined && !isExtendedResource(name))
    errors.push(invalid('spec.extendedResourceName', name, 'must be a valid extended resource name'))
  return errors
}

const NORMAL_UUID = 'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters'
const PREFIX = 'urn:uuid:'

/** Why the text is in none of the forms that a UUID may be written in. */
function uuidError(text: string): string | undefined {
  const isUuid = (part: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(part)
  const bytes = Buffer.byteLength(text)
  const format = (fits: boolean): string | undefined => (fits ? undefined : 'invalid UUID format')
  switch (bytes) {
    case 36:
      return format(isUuid(text))
    case 36 + PREFIX.length:
      if (text.slice(0, PREFIX.length).toLowerCase() !== PREFIX) return `invalid urn prefix: ${quote(text.slice(0, PREFIX.length))}`
      return format(isUuid(text.slice(PREFIX.length)))
    case 38:
      return /^\{.*\}$/s.test(text) ? format(isUuid(text.slice(1, -1))) : 'invalid bracketed UUID format'
    case 32:
      return format(/^[0-9a-f]{32}$/i.test(text))
    default:
      return `invalid UUID length: ${bytes}`
  }
}

function checkShareId(errors: FieldError[], id: string | undefined, path: string): void {
  if (id === undefined || UUID_RE.test(id)) return
  const why = uuidError(id)
  errors.push(invalid(path, id, why ? `error validating uid: ${why}` : NORMAL_UUID))
}

function checkAllocation(
  errors: FieldError[],
  { devices = {}, nodeSelector }: AllocationResult,
  names: ReadonlySet<string>,
  path: string,
): void {
  checkList(errors, devices.results, RESULTS_LIMIT, `${path}.devices.results`, (result, at) => {
    checkReference(errors, result.request, names, `${at}.request`)
    checkCsiDriverName(errors, result.driver, `${at}.driver`)
    checkPoolName(errors, result.pool, `${at}.pool`)
    checkName(errors, result.device, `${at}.device`)
    checkBinding(errors, result, at)
    checkShareId(errors, result.shareID, `${at}.shareID`)
  })
  checkList(errors, devices.config, 2 * CONFIG_LIMIT, `${path}.devices.config`, ({ source, requests, opaque }, at) => {
    if (!source) errors.push(required(`${at}.source`))
    else if (source !== 'FromClaim' && source !== 'FromClass') errors.push(notSupported(`${at}.source`, source, ['FromClaim', 'FromClass']))
    checkReferences(errors, requests, names, at)
    checkConfiguration(errors, opaque, at)
  })
  if (nodeSelector) checkNodeSelector(errors, nodeSelector, `${path}.nodeSelector`)
}

export interface DevicePlace {
  driver: string
  pool: string
  device: string
  shareID?: string
}

const shownPlace = ({ driver, pool, device, shareID = '' }: DevicePlace): object => ({
  Driver: driver,
  Pool: pool,
  Device: device,
  ShareID: shareID,
})

export const placeOf = ({ driver, pool, device, shareID = '' }: DevicePlace): string => `${driver}/${pool}/${device}/${shareID}`

const INTERFACE_NAME_LIMIT_BYTES = 256
const HARDWARE_ADDRESS_LIMIT_BYTES = 128
const IPS_LIMIT = 16

function checkNetworkData(errors: FieldError[], { interfaceName = '', hardwareAddress = '', ips }: NetworkDeviceData, path: string): void {
  if (Buffer.byteLength(interfaceName) > INTERFACE_NAME_LIMIT_BYTES)
    errors.push(tooLong(`${path}.interfaceName`, INTERFACE_NAME_LIMIT_BYTES))
  if (Buffer.byteLength(hardwareAddress) > HARDWARE_ADDRESS_LIMIT_BYTES)
    errors.push(tooLong(`${path}.hardwareAddress`, HARDWARE_ADDRESS_LIMIT_BYTES))
  checkList(
    errors,
    ips,
    IPS_LIMIT,
    `${path}.ips`,
    (ip, at) => {
      const canonical = canonicalCidr(ip)
      if (canonical === undefined)
        errors.push(invalid(at, ip, 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)'))
      else if (canonical !== ip) errors.push(invalid(at, ip, `must be in canonical form (${quote(canonical)})`))
    },
    (ip) => ip,
  )
}

function checkDeviceStatuses(errors: FieldError[], { devices, allocation }: ResourceClaimStatus): void {
  const allocated = new Set((allocation?.devices?.results ?? []).map(placeOf))
  checkList(
    errors,
    devices,
    Number.POSITIVE_INFINITY,
    'status.devices',
    (device, at) => {
      checkCsiDriverName(errors, device.driver, `${at}.driver`)
      checkPoolName(errors, device.pool, `${at}.pool`)
      checkName(errors, device.device, `${at}.device`)
      checkShareId(errors, device.shareID, `${at}.shareID`)
      if (!allocated.has(placeOf(device))) errors.push(invalid(at, shownPlace(device), 'must be an allocated device in the claim'))
      const conditions = device.conditions?.length ?? 0
      if (conditions > CONDITIONS_LIMIT)
        errors.push({
          type: 'FieldValueTooMany',
          field: `${at}.conditions`,
          message: `Too many: ${conditions}: must have at most ${CONDITIONS_LIMIT} items`,
        })
      checkConditions(errors, device.conditions, `${at}.conditions`)
      if (device.data !== undefined) checkParameters(errors, device.data, PARAMETERS_LIMIT_BYTES, `${at}.data`)
      if (device.networkData) checkNetworkData(errors, device.networkData, `${at}.networkData`)
    },
    placeOf,
    shownPlace,
  )
}

export function validateResourceClaimStatusUpdate(next: ResourceClaim, old: ResourceClaim): FieldError[] {
  const errors: FieldError[] = []
  const [status, before] = [next.status ?? {}, old.status ?? {}]
  const { reservedFor = [], allocation } = status
  const path = 'status.reservedFor'
  checkList(
    errors,
    reservedFor,
    RESERVED_LIMIT,
    path,
    (consumer, at) => {
      for (const field of ['resource', 'name', 'uid'] as const) if (!consumer[field]) errors.push(required(`${at}.${field}`))
    },
    ({ uid }) => uid,
  )
  checkDeviceStatuses(errors, status)
  if (reservedFor.length > 0 && !allocation) errors.push(forbidden(path, 'may not be specified when `allocated` is not set'))
  else if (next.metadata.deletionTimestamp) {
    const known = new Set((before.reservedFor ?? []).map(({ uid }) => uid))
    if (reservedFor.some(({ uid }) => !known.has(uid))) {
      errors.push(forbidden(path, 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set'))
    }
  }
  if (before.allocation && allocation) {
    checkImmutable(errors, 'status.allocation', allocation, before.allocation, goInternal('resource.v1.AllocationResult', allocation))
  } else if (allocation) checkAllocation(errors, allocation, requestNames(next.spec?.devices ?? {}), 'status.allocation')
  return errors
}
