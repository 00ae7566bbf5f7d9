/** Slices of devices, which drivers publish (pkg/apis/resource/validation). */
import { asGiven } from '../codec/goShape.ts'
import { deepEqual } from '../meta.ts'
import { addQuantity, formatQuantity, parseQuantity, quantityValue } from '../quantity.ts'
import { checkAttributeName, checkBinding, checkList, checkName, checkPoolName, checkTaint } from './devices.ts'
import { check, forbidden, invalid, notFound, required, tooLong, tooMany } from './fieldErrors.ts'
import { nameIsDnsSubdomain } from './names.ts'
import { checkNodeSelector } from './nodeSelectors.ts'
import { nanosOf } from './quantities.ts'
import { goInternal } from './goInternal.ts'
import { isNativeResource } from './resourceNames.ts'
import { NOT_POSITIVE, checkImmutable } from './values.ts'
import { checkCsiDriverName } from './volumeSources.ts'
import type {
  CapacityRequestPolicy,
  Counter,
  Device,
  DeviceAttribute,
  DeviceCapacity,
  NodeAllocatableResourceMapping,
  ResourceSlice,
  ResourceSliceSpec,
} from '../kinds/resource/v1.ts'
import type { NodeSelector } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const DEVICES_LIMIT = 128
const ADVANCED_DEVICES_LIMIT = 64
const COUNTER_SETS_LIMIT = 8
const COUNTERS_LIMIT = 32
const CONSUMPTIONS_LIMIT = 2
const ATTRIBUTES_LIMIT = 32
const ATTRIBUTE_VALUES_LIMIT = 48
const VALUE_LIMIT_BYTES = 64
const TAINTS_LIMIT = 16
const OPTIONS_LIMIT = 10
/** The longest name of an attribute: a domain, a slash and an identifier. */
const KEY_LIMIT = 63 + 1 + 32
const NUMERIC = '(0|[1-9]\\d*)'
const PRERELEASE = '(0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)'
const BUILD = '[0-9a-zA-Z-]+'
const SEMVER_RE = new RegExp(`^${NUMERIC}\\.${NUMERIC}\\.${NUMERIC}(-${PRERELEASE}(\\.${PRERELEASE})*)?(\\+${BUILD}(\\.${BUILD})*)?$`)

function checkString(errors: FieldError[], value: string, path: string): void {
  if (Buffer.byteLength(value) > VALUE_LIMIT_BYTES) errors.push(tooLong(path, VALUE_LIMIT_BYTES))
}

function checkVersion(errors: FieldError[], value: string, path: string): void {
  if (!SEMVER_RE.test(value)) errors.push(invalid(path, value, 'must be a string compatible with semver.org spec 2.0.0'))
  checkString(errors, value, path)
}

const LISTS = ['bools', 'ints', 'strings', 'versions'] as const

function checkAttribute(errors: FieldError[], attribute: DeviceAttribute, path: string): void {
  const { string, version, strings = [], versions = [] } = attribute
  if (string !== undefined) checkString(errors, string, `${path}.string`)
  if (version !== undefined) checkVersion(errors, version, `${path}.version`)
  for (const field of LISTS)
    if (attribute[field]?.length === 0) errors.push(invalid(`${path}.${field}`, [], 'must not be empty if specified'))
  strings.forEach((value, i) => checkString(errors, value, `${path}.strings[${i}]`))
  versions.forEach((value, i) => checkVersion(errors, value, `${path}.versions[${i}]`))
  const count = Object.keys(attribute).length
  if (count !== 1)
    errors.push(
      invalid(path, count === 0 ? '' : goInternal('resource.v1.DeviceAttribute', attribute), 'exactly one value must be specified'),
    )
}

function checkStep(errors: FieldError[], value: string, min: string, step: string, path: string): void {
  if (nanosOf(step) === 0n || (nanosOf(value) - nanosOf(min)) % nanosOf(step) === 0n) return
  errors.push(invalid(path, value, `value is not a multiple of a given step (${step}) from (${min})`))
}

function checkRange(errors: FieldError[], { validRange, default: chosen = '0' }: CapacityRequestPolicy, most: string, path: string): void {
  const { min, max, step } = validRange ?? { min: '' }
  if (!min) {
    errors.push(required(`${path}.min`, 'required when validRange is defined'))
    return
  }
  const above = (a: string, b: string): boolean => nanosOf(a) > nanosOf(b)
  if (above(min, most)) errors.push(invalid(`${path}.min`, min, `min is larger than capacity value: ${most}`))
  if (above(min, chosen)) errors.push(invalid(`${path}.min`, chosen, `default is less than min: ${min}`))
  if (max !== undefined) {
    if (above(min, max)) errors.push(invalid(`${path}.max`, min, `min is larger than max: ${max}`))
    if (above(max, most)) errors.push(invalid(`${path}.max`, max, `max is larger than capacity value: ${most}`))
    if (above(chosen, max)) errors.push(invalid(`${path}.max`, chosen, `default is more than max: ${max}`))
  }
  if (step === undefined) return
  if (nanosOf(min) + nanosOf(step) > nanosOf(most))
    errors.push(
      invalid(
        `${path}.step`,
        step,
        `one step ${formatQuantity(addQuantity(parseQuantity(min), parseQuantity(step)))} is larger than capacity value: ${most}`,
      ),
    )
  checkStep(errors, chosen, min, step, `${path}.step`)
  if (max !== undefined) checkStep(errors, max, min, step, `${path}.step`)
}

function checkPolicy(errors: FieldError[], policy: CapacityRequestPolicy, most: string, path: string): void {
  const { validValues = [], validRange, default: chosen } = policy
  if (validValues.length > 0 && validRange) {
    errors.push(forbidden(path, 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'))
    return
  }
  const given = validValues.length > 0 ? 'validValues' : validRange ? 'validRange' : undefined
  if (given && chosen === undefined) errors.push(required(`${path}.default`, `required when ${given} is defined`))
  else if (given === 'validRange') checkRange(errors, policy, most, `${path}.validRange`)
  else if (given) {
    const at = `${path}.validValues`
    validValues.forEach((value, i) => {
      const before = validValues[i - 1]
      if (before !== undefined && nanosOf(before) > nanosOf(value))
        errors.push(invalid(`${at}[${i}]`, value, 'values must be sorted in ascending order'))
    })
    checkList(
      errors,
      validValues,
      OPTIONS_LIMIT,
      at,
      (value, field) => {
        if (nanosOf(value) > nanosOf(most)) errors.push(invalid(field, value, `option is larger than capacity value: ${most}`))
      },
      // Upstream compares whole numbers, rounded up.
      (value) => String(quantityValue(parseQuantity(value))),
    )
    if (!validValues.some((value) => nanosOf(value) === nanosOf(chosen)))
      errors.push(invalid(at, chosen, 'default value is not valid according to the requestPolicy'))
  }
}

function checkCapacity(errors: FieldError[], { value, requestPolicy }: DeviceCapacity, isShared: boolean, path: string): void {
  if (!requestPolicy) return
  if (isShared) checkPolicy(errors, requestPolicy, value, `${path}.requestPolicy`)
  else errors.push(forbidden(`${path}.requestPolicy`, 'allowMultipleAllocations must be true'))
}

function checkCounters(errors: FieldError[], counters: Readonly<Record<string, Counter>> | null | undefined, path: string): void {
  const names = Object.keys(counters ?? {})
  if (names.length === 0) errors.push(required(path))
  else if (names.length > COUNTERS_LIMIT) errors.push(tooMany(path, names.length, COUNTERS_LIMIT))
  else for (const name of names) checkName(errors, name, path)
}

/** Devices that count as the node's own CPU, memory and so on. */
function checkMapping(
  errors: FieldError[],
  name: string,
  mapping: NodeAllocatableResourceMapping,
  capacity: Device['capacity'],
  path: string,
): void {
  const { allocationMultiplier: factor, capacityKey: key } = mapping
  if (!isNativeResource(name)) errors.push(invalid(path, name, 'must be a node allocatable resource name'))
  if (factor === undefined && key === undefined)
    errors.push(invalid(path, '', 'at least one of allocationMultiplier or capacityKey must be set'))
  if (factor !== undefined && nanosOf(factor) <= 0n) errors.push(invalid(`${path}.allocationMultiplier`, factor, 'must be positive'))
  if (key === '') errors.push(invalid(`${path}.capacityKey`, '', 'capacityKey must not be an empty string'))
  else if (key !== undefined && capacity?.[key] === undefined) errors.push(notFound(`${path}.capacityKey`, key))
}

interface Placement {
  nodeName?: string
  nodeSelector?: NodeSelector
  allNodes?: boolean
}

/** The ways in which the nodes are told, by field name. */
function checkPlacement(errors: FieldError[], { nodeName, nodeSelector, allNodes }: Placement, isSlice: boolean, path: string): string[] {
  const given: string[] = []
  const emptyText = isSlice ? 'must be either unset or set to a non-empty string' : 'must not be empty'
  if (nodeName) {
    given.push('`nodeName`')
    check(errors, `${path}.nodeName`, nodeName, nameIsDnsSubdomain(nodeName, false))
  } else if (nodeName === '') errors.push(invalid(`${path}.nodeName`, nodeName, emptyText))
  if (nodeSelector) {
    given.push('`nodeSelector`')
    checkNodeSelector(errors, nodeSelector, `${path}.nodeSelector`)
    const terms = asGiven(nodeSelector, 'nodeSelectorTerms')
    const field = `${path}.nodeSelector.nodeSelectorTerms`
    if (isSlice && terms?.length !== 1) errors.push(invalid(field, termsInGo(terms), 'must have exactly one node selector term'))
  }
  if (allNodes) given.push('`allNodes`')
  else if (allNodes === false) errors.push(invalid(`${path}.allNodes`, false, 'must be either unset or set to true'))
  return given
}

function checkDevicePlacement(errors: FieldError[], device: Device, isPerDevice: boolean, path: string): void {
  if (!isPerDevice) {
    const isPlaced = device.nodeName !== undefined || device.nodeSelector !== undefined || device.allNodes !== undefined
    const text =
      '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec'
    if (isPlaced) errors.push(invalid(path, null, text))
    return
  }
  const given = checkPlacement(errors, device, false, path)
  const text =
    'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec'
  if (given.length === 0) errors.push(required(path, text))
  else if (given.length > 1) errors.push(invalid(path, `{${given.join(', ')}}`, text))
}

function valuesOf(attribute: DeviceAttribute): number {
  return Math.max(
    1,
    LISTS.reduce((sum, field) => sum + (attribute[field]?.length ?? 0), 0),
  )
}

const termsInGo = (terms: readonly object[] | undefined): unknown =>
  terms?.map((term) => goInternal('core.v1.NodeSelectorTerm', term)) ?? null

/** A key of a path may be longer than a path should be. */
function shortened(key: string): string {
  if (key.length <= KEY_LIMIT) return key
  const rest = KEY_LIMIT - '...'.length
  return `${key.slice(0, Math.ceil(rest / 2))}...${key.slice(key.length - Math.floor(rest / 2))}`
}

function checkDevice(errors: FieldError[], device: Device, old: Device | undefined, isPerDevice: boolean, path: string): void {
  const { attributes = {}, capacity = {}, nodeAllocatableResourceMappings: mappings = {} } = device
  checkName(errors, device.name, `${path}.name`)
  const count = Object.keys(attributes).length + Object.keys(capacity).length
  if (count > ATTRIBUTES_LIMIT)
    errors.push(invalid(path, count, `the total number of attributes and capacities must not exceed ${ATTRIBUTES_LIMIT}`))
  const values = Object.values(attributes).reduce((sum, attribute) => sum + valuesOf(attribute), 0)
  if (values > ATTRIBUTE_VALUES_LIMIT)
    errors.push(invalid(path, values, `the total number of attribute values must not exceed ${ATTRIBUTE_VALUES_LIMIT}`))
  for (const [name, attribute] of Object.entries(attributes)) {
    checkAttributeName(errors, name, `${path}.attributes`)
    checkAttribute(errors, attribute, `${path}.attributes[${shortened(name)}]`)
  }
  for (const [name, given] of Object.entries(capacity)) {
    checkAttributeName(errors, name, `${path}.capacity`)
    checkCapacity(errors, given, device.allowMultipleAllocations ?? false, `${path}.capacity[${shortened(name)}]`)
  }
  if (!old || !deepEqual(old.taints, device.taints))
    checkList(errors, device.taints, TAINTS_LIMIT, `${path}.taints`, (taint, at) => checkTaint(errors, taint, at))
  checkList(
    errors,
    device.consumesCounters,
    CONSUMPTIONS_LIMIT,
    `${path}.consumesCounters`,
    ({ counterSet, counters }, at) => {
      if (!counterSet) errors.push(required(`${at}.counterSet`))
      else checkName(errors, counterSet, `${at}.counterSet`)
      checkCounters(errors, counters, `${at}.counters`)
    },
    ({ counterSet }) => counterSet,
  )
  checkDevicePlacement(errors, device, isPerDevice, path)
  checkBinding(errors, device, path)
  for (const [name, mapping] of Object.entries(mappings))
    checkMapping(errors, name, mapping, device.capacity, `${path}.nodeAllocatableResourceMappings[${name}]`)
}

function isAdvanced({ attributes = {}, taints = [], consumesCounters = [] }: Device): boolean {
  return (
    taints.length > 0 ||
    consumesCounters.length > 0 ||
    Object.values(attributes).some((attribute) => LISTS.some((field) => attribute[field]))
  )
}

function checkSlicePlacement(errors: FieldError[], spec: ResourceSliceSpec): void {
  const given = checkPlacement(errors, spec, true, 'spec')
  if (spec.perDeviceNodeSelection) given.push('`perDeviceNodeSelection`')
  else if (spec.perDeviceNodeSelection === false)
    errors.push(invalid('spec.perDeviceNodeSelection', false, 'must be either unset or set to true'))
  const text = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required'
  if (given.length === 0) errors.push(required('spec', text))
  else if (given.length > 1) errors.push(invalid('spec', `{${given.join(', ')}}`, `${text}, but multiple fields are set`))
}

function validate(spec: ResourceSliceSpec, old: ResourceSliceSpec | undefined): FieldError[] {
  const errors: FieldError[] = []
  const { driver, pool, devices, sharedCounters } = spec
  checkCsiDriverName(errors, driver, 'spec.driver')
  checkPoolName(errors, pool.name, 'spec.pool.name')
  if (pool.resourceSliceCount <= 0) errors.push(invalid('spec.pool.resourceSliceCount', pool.resourceSliceCount, NOT_POSITIVE))
  if (pool.generation < 0) errors.push(invalid('spec.pool.generation', pool.generation, 'must be greater than or equal to zero'))
  if (old) {
    checkImmutable(errors, 'spec.pool.name', pool.name, old.pool.name)
    checkImmutable(errors, 'spec.driver', driver, old.driver)
    checkImmutable(errors, 'spec.nodeName', spec.nodeName, old.nodeName)
  }
  checkSlicePlacement(errors, spec)
  if (asGiven(spec, 'sharedCounters') && asGiven(spec, 'devices'))
    errors.push(invalid('spec', '', 'only one of `sharedCounters` or `devices` is allowed'))
  const limit = devices?.some(isAdvanced) ? ADVANCED_DEVICES_LIMIT : DEVICES_LIMIT
  const before = new Map((old?.devices ?? []).map((device) => [device.name, device]))
  const isPerDevice = spec.perDeviceNodeSelection ?? false
  checkList(
    errors,
    devices,
    limit,
    'spec.devices',
    (device, at) => checkDevice(errors, device, before.get(device.name), isPerDevice, at),
    ({ name }) => name,
  )
  checkList(
    errors,
    sharedCounters,
    COUNTER_SETS_LIMIT,
    'spec.sharedCounters',
    ({ name, counters }, at) => {
      if (!name) errors.push(required(`${at}.name`))
      else checkName(errors, name, `${at}.name`)
      checkCounters(errors, counters, `${at}.counters`)
    },
    ({ name }) => name,
  )
  return errors
}

export function validateResourceSlice({ spec }: ResourceSlice): FieldError[] {
  return validate(spec, undefined)
}

export function validateResourceSliceUpdate({ spec }: ResourceSlice, old: ResourceSlice): FieldError[] {
  return validate(spec, old.spec)
}
