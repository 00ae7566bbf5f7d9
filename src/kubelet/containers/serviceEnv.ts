/** The environment variables by which a container finds the services of its namespace, in the form of Docker links. */
import type { Service, ServicePort } from '../../api/kinds/core/v1.ts'

export type EnvEntry = readonly [name: string, value: string]

function variableName(text: string): string {
  return text.toUpperCase().replaceAll('-', '_')
}

function portVariables(prefix: string, ip: string, port: ServicePort): EnvEntry[] {
  const protocol = port.protocol ?? 'TCP'
  const host = ip.includes(':') ? `[${ip}]` : ip
  const url = `${protocol.toLowerCase()}://${host}:${port.port}`
  const own = `${prefix}_PORT_${port.port}_${protocol}`
  return [
    [own, url],
    [`${own}_PROTO`, protocol.toLowerCase()],
    [`${own}_PORT`, String(port.port)],
    [`${own}_ADDR`, ip],
  ]
}

function serviceVariables(service: Service): EnvEntry[] {
  const ip = service.spec?.clusterIP
  const ports = service.spec?.ports ?? []
  const first = ports[0]
  if (!ip || ip === 'None' || !first) return []
  const prefix = variableName(service.metadata.name)
  const byPort = ports.map((port) => portVariables(prefix, ip, port))
  const named = ports
    .filter((port) => port.name)
    .map((port): EnvEntry => [`${prefix}_SERVICE_PORT_${variableName(port.name ?? '')}`, String(port.port)])
  return [
    [`${prefix}_SERVICE_HOST`, ip],
    [`${prefix}_SERVICE_PORT`, String(first.port)],
    ...named,
    [`${prefix}_PORT`, byPort[0]?.[0]?.[1] ?? ''],
    ...byPort.flat(),
  ]
}

const MASTER_NAMESPACE = 'default'
const MASTER_SERVICES: ReadonlySet<string> = new Set(['kubernetes'])

/** The services of the pod's namespace if it wants them, and the API server's in any case. */
export function serviceEnvironment(services: readonly Service[], namespace: string, links: boolean): EnvEntry[] {
  const isMaster = (service: Service): boolean =>
    service.metadata.namespace === MASTER_NAMESPACE && MASTER_SERVICES.has(service.metadata.name)
  const own = links ? services.filter((service) => service.metadata.namespace === namespace) : []
  const shadowed = new Set(own.map((service) => service.metadata.name))
  const master = services.filter((service) => isMaster(service) && !shadowed.has(service.metadata.name))
  return [...master, ...own].flatMap(serviceVariables)
}
