/**
 * Where traffic of the API server for a service goes: to one of its ready endpoints, past its cluster IP (upstream's
 * aggregator routing, k8s.io/apiserver/pkg/util/proxy), so that webhooks and aggregated APIs answer whether or not anything
 * on this machine carries cluster IPs. Services that name an outside host are refused: the server would be led anywhere.
 */
import { services as serviceResource } from '../../api/kinds/core/v1.ts'
import type { Service } from '../../api/kinds/core/v1.ts'
import { endpointslices } from '../../api/kinds/discovery/v1.ts'
import type { EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { newNotFound, newServiceUnavailable } from '../../api/status.ts'
import type { ObjectReader } from '../registry/reader.ts'

export interface ServiceAddress {
  host: string
  port: number
}

/**
 * An address of a port (by number) of a service, another one with each call where there are several.
 * @throws an Error in upstream's words: no such service or port, of a type that leads elsewhere, without ready endpoints.
 */
export type ServiceResolver = (namespace: string, name: string, port: number) => ServiceAddress

const ROUTED_TYPES = new Set(['ClusterIP', 'LoadBalancer', 'NodePort'])

export function createServiceResolver(reader: ObjectReader): ServiceResolver {
  return (namespace, name, port) => {
    const service = reader.get(serviceResource, namespace, name)
    if (!service) throw newNotFound({ group: '', resource: 'service' }, name)
    const slices = reader.list(endpointslices, namespace).filter((s) => s.metadata.labels?.['kubernetes.io/service-name'] === name)
    const addresses = readyAddresses(service, port, slices)
    const chosen = addresses[Math.floor(Math.random() * addresses.length)]
    if (!chosen) throw newServiceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`)
    return chosen
  }
}

/** The ready addresses for a service's port, those of its first IP family alone where there are any. Pure. */
export function readyAddresses(service: Service, port: number, slices: readonly EndpointSlice[]): ServiceAddress[] {
  const { name } = service.metadata
  const { type = 'ClusterIP', ports = [], ipFamilies = [] } = service.spec
  if (!ROUTED_TYPES.has(type)) throw new Error(`unsupported service type ${JSON.stringify(type)}`)
  const servicePort = ports.find((candidate) => candidate.port === port)
  if (!servicePort) throw newServiceUnavailable(`no service port ${port} found for service ${JSON.stringify(name)}`)
  const preferred = slices.filter((slice) => slice.addressType === ipFamilies[0])
  const first = addressesIn(preferred, servicePort.name ?? '')
  return first.length > 0 ? first : addressesIn(slices, servicePort.name ?? '')
}

function addressesIn(slices: readonly EndpointSlice[], portName: string): ServiceAddress[] {
  return slices.flatMap(({ ports, endpoints }) => {
    const port = (ports ?? []).find((candidate) => (candidate.name ?? '') === portName)?.port
    if (port === undefined) return []
    const ready = (endpoints ?? []).filter((endpoint) => endpoint.conditions?.ready !== false)
    return ready.flatMap(({ addresses }) => addresses.slice(0, 1).map((host) => ({ host, port })))
  })
}
