/** The node ports of one Service while it is being written (pkg/registry/core/service/portallocator, with its messages). */
import { newInternalError, newInvalid, newStatusError } from '../../../api/status.ts'
import { invalid } from '../../../api/validation/fieldErrors.ts'
import type { Service, ServicePort, ServiceSpec } from '../../../api/kinds/core/v1.ts'
import type { Pool } from './pool.ts'

const TAKEN = 'provided port is already allocated'
/** What a dry run shows for the first port that nobody has chosen. */
const DRY_RUN_PORT = 32769

export interface PortRange {
  first: number
  last: number
}

/** A dry run looks whether ports are free, is told of no range, and takes nothing. */
export class PortOperation {
  readonly #pool: Pool
  readonly #range: PortRange
  readonly #dryRun: boolean
  readonly #allocated: number[] = []

  constructor(pool: Pool, range: PortRange, dryRun: boolean) {
    this.#pool = pool
    this.#range = range
    this.#dryRun = dryRun
  }

  /** Why the port cannot be had; undefined where it can. */
  allocate(port: number): string | undefined {
    if (this.#dryRun) {
      if (!this.#pool.isFree(port) || this.#allocated.includes(port)) return TAKEN
    } else if (!this.#pool.contains(port)) {
      return `provided port is not in the valid range. The range of valid ports is ${this.#range.first}-${this.#range.last}`
    } else if (!this.#pool.reserve(port)) return TAKEN
    this.#allocated.push(port)
    return undefined
  }

  next(): number {
    const port = this.#dryRun ? this.#guess() : this.#pool.pick()
    if (port === undefined) throw new Error('range is full')
    this.#allocated.push(port)
    return port
  }

  #guess(): number {
    return this.#allocated.length > 0 ? (Math.max(0, ...this.#allocated) + 1) | 0 : DRY_RUN_PORT
  }

  undo(): void {
    for (const port of this.#allocated.splice(0)) if (!this.#dryRun) this.#pool.release(port)
  }
}

const mayHave = ({ type }: ServiceSpec): boolean => type === 'NodePort' || type === 'LoadBalancer'
const needs = ({ type, allocateLoadBalancerNodePorts }: ServiceSpec): boolean =>
  type === 'NodePort' || (type === 'LoadBalancer' && allocateLoadBalancerNodePorts !== false)
const needsHealthCheck = (spec: ServiceSpec | undefined): boolean => spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'

function take(service: Service, operation: PortOperation, index: number, port: number): void {
  const why = operation.allocate(port)
  if (why === undefined) return
  const error = invalid(`spec.ports[${index}].nodePort`, port, why)
  throw newInvalid({ group: '', kind: 'Service' }, service.metadata.name, [error])
}

function nextFor(operation: PortOperation): number {
  try {
    return operation.next()
  } catch (error) {
    throw newInternalError(`failed to allocate a nodePort: ${(error as Error).message}`)
  }
}

/** Ports with the same number share a node port, whatever their protocols, unless they ask for others. */
function allocateForNew(service: Service, operation: PortOperation): void {
  const { spec } = service
  const ports: ServicePort[] = spec.ports ?? []
  const given = new Map<number, number>()
  for (const [i, port] of ports.entries()) {
    if (!port.nodePort && !needs(spec)) continue
    const known = given.get(port.port)
    if (known === undefined) {
      const asked = ports.find((other) => other.port === port.port && other.nodePort)?.nodePort
      if (asked) take(service, operation, i, asked)
      port.nodePort = asked ?? nextFor(operation)
      given.set(port.port, port.nodePort)
    } else if (!port.nodePort) port.nodePort = known
    else if (port.nodePort !== known) take(service, operation, i, port.nodePort)
  }
}

function allocateForChanged(service: Service, old: Service, operation: PortOperation): void {
  const { spec } = service
  const known = new Set((old.spec.ports ?? []).flatMap(({ nodePort }) => nodePort ?? []))
  const seen = new Set<string>()
  for (const [i, port] of (spec.ports ?? []).entries()) {
    if (!port.nodePort && !needs(spec)) continue
    if (!port.nodePort) port.nodePort = nextFor(operation)
    else if (!known.has(port.nodePort)) take(service, operation, i, port.nodePort)
    known.add(port.nodePort)
    const shown = `{${port.protocol ?? 'TCP'} ${port.nodePort}}`
    if (seen.has(shown)) throw newStatusError(500, '', `duplicate nodePort: ${shown}`)
    seen.add(shown)
  }
}

/** Another port than before is for validation to refuse. */
function allocateHealthCheckPort(service: Service, operation: PortOperation): void {
  const { spec } = service
  if (!spec.healthCheckNodePort) {
    try {
      spec.healthCheckNodePort = operation.next()
    } catch (error) {
      throw newInternalError(`failed to allocate a HealthCheck NodePort 0: ${(error as Error).message}`)
    }
    return
  }
  const why = operation.allocate(spec.healthCheckNodePort)
  if (why !== undefined) throw newInternalError(`failed to allocate requested HealthCheck NodePort ${spec.healthCheckNodePort}: ${why}`)
}

/** Fills in the ports that the service is to have, or takes those it asks for. */
export function allocateNodePorts(service: Service, old: Service | undefined, operation: PortOperation): void {
  if (mayHave(service.spec)) {
    if (old) allocateForChanged(service, old, operation)
    else allocateForNew(service, operation)
  }
  if (needsHealthCheck(service.spec) && !needsHealthCheck(old?.spec)) allocateHealthCheckPort(service, operation)
}
