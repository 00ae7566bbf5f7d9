/** Selectors of devices (dynamic resource allocation): expressions about one device of a ResourceSlice. */
import { EntryMap, MapValue } from './values.ts'
import { compile } from './compile.ts'
import { toQuantityValue } from './library/quantities.ts'
import { toSemver } from './library/semver.ts'
import type { DeviceAttribute, DeviceCapacity } from '../api/kinds/resource/v1.ts'
import type { CelType, Environment, Program } from './program.ts'
import type { Value } from './values.ts'

const DOMAIN_LENGTH = 63
const ID_LENGTH = 32
const ATTRIBUTE_LENGTH = 64
const ATTRIBUTES_LIMIT = 32

/** What one selector may cost, estimated and in fact. */
const COST_LIMIT = 1_000_000

const byDomain = (of: CelType): CelType => ({
  kind: 'map',
  maxProperties: ATTRIBUTES_LIMIT,
  maxKeySize: DOMAIN_LENGTH,
  of: { kind: 'map', maxProperties: ATTRIBUTES_LIMIT, maxKeySize: ID_LENGTH, of },
})

const ENVIRONMENT: Environment = {
  variables: {
    device: {
      kind: 'object',
      name: 'kubernetes.DRADevice',
      fields: new Map<string, CelType>([
        ['driver', { kind: 'string', maxSize: DOMAIN_LENGTH }],
        ['allowMultipleAllocations', { kind: 'bool', maxSize: 1 }],
        ['attributes', byDomain({ kind: 'dyn', maxSize: ATTRIBUTE_LENGTH })],
        ['capacity', byDomain({ kind: 'opaque', name: 'kubernetes.Quantity' })],
      ]),
    },
  },
  hasBindings: true,
}

/** @throws CompileError */
export const compileDeviceSelector = (expression: string): Program => compile(expression, ENVIRONMENT)

/** Whether the selector could cost more than it may. */
export const isTooComplex = (program: Program): boolean => program.estimatedCost > COST_LIMIT

/** What is asked of a domain that a device says nothing of is asked of an empty map. */
class Domains extends MapValue {
  readonly #domains: EntryMap

  constructor(domains: EntryMap) {
    super()
    this.#domains = domains
  }

  get size(): number {
    return this.#domains.size
  }

  get(key: Value): Value {
    return this.#domains.get(key) ?? NOTHING
  }

  has(): boolean {
    return true
  }

  keys(): Value[] {
    return this.#domains.keys()
  }
}

const NOTHING = new EntryMap()

/** Names without a domain are in the driver's own. */
function domainsOf<T>(driver: string, items: Readonly<Record<string, T>>, toValue: (item: T) => Value | undefined): Domains {
  const domains = new Map<string, [string, Value][]>()
  for (const [name, item] of Object.entries(items)) {
    const value = toValue(item)
    if (value === undefined) continue
    const slash = name.indexOf('/')
    const domain = slash < 0 ? driver : name.slice(0, slash)
    const entries = domains.get(domain) ?? []
    domains.set(domain, entries)
    entries.push([name.slice(slash + 1), value])
  }
  return new Domains(EntryMap.of([...domains].map(([domain, entries]) => [domain, EntryMap.of(entries)] as const)))
}

function attributeValue({ int, bool, string, version }: DeviceAttribute): Value | undefined {
  if (int !== undefined) return BigInt(int)
  return bool ?? string ?? (version === undefined ? undefined : toSemver(version))
}

export interface DeviceFacts {
  driver: string
  allowMultipleAllocations?: boolean
  attributes?: Readonly<Record<string, DeviceAttribute>>
  capacity?: Readonly<Record<string, DeviceCapacity>>
}

/**
 * Whether the device is what the selector asks for.
 * @throws EvaluationError, CostExceededError
 */
export function selectsDevice(program: Program, device: DeviceFacts, signal?: AbortSignal): boolean {
  const { driver, allowMultipleAllocations = false, attributes = {}, capacity = {} } = device
  const value = {
    driver,
    allowMultipleAllocations,
    attributes: domainsOf(driver, attributes, attributeValue),
    capacity: domainsOf(driver, capacity, (item) => toQuantityValue(String(item.value))),
  }
  return program.evaluate({ device: value }, signal ? { signal } : {}) === true
}
