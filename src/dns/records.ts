/**
 * The cluster zone as the Kubernetes DNS specification 1.1.0 defines it, answered purely from what is known of Services and
 * EndpointSlices: A, AAAA, SRV, PTR, CNAME and the version record.
 */
import { canonicalAddress, parseIp } from '../base/ipFamily.ts'
import type { Service } from '../api/kinds/core/v1.ts'
import type { Endpoint, EndpointSlice } from '../api/kinds/discovery/v1.ts'

export const SPEC_VERSION = '1.1.0'
/** Seconds; as CoreDNS answers by default for Kubernetes. */
export const TTL_SECONDS = 30

export type RecordType = 'A' | 'AAAA' | 'SRV' | 'PTR' | 'CNAME' | 'TXT' | 'SOA' | 'NS' | 'ANY'

export type DnsRecord =
  | { type: 'A' | 'AAAA' | 'PTR' | 'CNAME' | 'NS'; name: string; ttl: number; data: string }
  | { type: 'SRV'; name: string; ttl: number; data: { priority: number; weight: number; port: number; target: string } }
  | { type: 'TXT'; name: string; ttl: number; data: string }
  | {
      type: 'SOA'
      name: string
      ttl: number
      data: { mname: string; rname: string; serial: number; refresh: number; retry: number; expire: number; minimum: number }
    }

/** `none`: the name is not in the cluster's zones, ask elsewhere. */
export type Answer =
  | { outcome: 'found'; records: readonly DnsRecord[]; additional: readonly DnsRecord[] }
  | { outcome: 'noData' | 'noName' | 'none' }

export interface ClusterView {
  service(key: string): Service | undefined
  slicesOf(serviceKey: string): readonly EndpointSlice[]
  hasNamespace(name: string): boolean
  /** The service that has this cluster address. */
  serviceAt(ip: string): Service | undefined
  /** Slices with an endpoint at this address. */
  slicesAt(ip: string): readonly EndpointSlice[]
}

const SERVICE_NAME = 'kubernetes.io/service-name'
const DNS_SERVICE = 'kube-system/kube-dns'

interface Target {
  ip: string
  hostname: string
  ports: { name: string; protocol: string; port: number }[]
}

/** `10-244-0-5`, `fd00-10-244--5`. */
function addressOf(label: string): string | undefined {
  const dotted = /^\d{1,3}(-\d{1,3}){3}$/.test(label)
  const text = label.replaceAll('-', dotted ? '.' : ':')
  return parseIp(text) === undefined ? undefined : canonicalAddress(text)
}

/** `5.0.244.10.in-addr.arpa`, or 32 digits before `ip6.arpa`; undefined for a part of an address. */
function reversedAddress(name: string): string | undefined {
  const labels = name.split('.').slice(0, -2).toReversed()
  if (name.endsWith('.in-addr.arpa')) return labels.join('.')
  if (labels.length !== 32 || labels.some((label) => !/^[0-9a-f]$/.test(label))) return undefined
  return canonicalAddress((labels.join('').match(/..../g) ?? []).join(':'))
}

const dashed = (ip: string): string => ip.replaceAll('.', '-').replaceAll(':', '-')
const addressType = (ip: string): 'A' | 'AAAA' => (ip.includes(':') ? 'AAAA' : 'A')

export class ClusterZone {
  readonly #domain: string
  readonly #view: ClusterView

  /** `domain` without a trailing dot, e.g. `cluster.local`. */
  constructor(domain: string, view: ClusterView) {
    this.#domain = domain
    this.#view = view
  }

  /** `name` in lower case, without a trailing dot. */
  answer(name: string, type: RecordType): Answer {
    if (name.endsWith('.in-addr.arpa') || name.endsWith('.ip6.arpa')) return this.#reverse(name, type)
    if (name === this.#domain) return this.#apex(type)
    if (name === this.#serverName) return this.#addresses(name, this.#serverTargets(), type)
    if (!name.endsWith(`.${this.#domain}`)) return { outcome: 'none' }
    const labels = name.slice(0, -this.#domain.length - 1).split('.')
    if (labels.length === 1 && labels[0] === 'dns') return { outcome: 'noData' }
    if (labels.length === 1 && labels[0] === 'dns-version')
      return this.#found(type === 'TXT' ? [{ type: 'TXT', name, ttl: TTL_SECONDS, data: SPEC_VERSION }] : [])
    const kind = labels.pop()
    if (kind === 'svc') return this.#service(name, labels, type)
    if (kind === 'pod') return this.#pod(name, labels, type)
    return { outcome: 'noName' }
  }

  /** Goes into the authority section of negative answers. */
  soa(): DnsRecord {
    const data = {
      mname: this.#serverName,
      rname: `hostmaster.${this.#domain}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL_SECONDS,
    }
    return { type: 'SOA', name: this.#domain, ttl: TTL_SECONDS, data }
  }

  get #serverName(): string {
    return `ns.dns.${this.#domain}`
  }

  /** Where cluster DNS itself is reached. */
  #serverTargets(): Target[] {
    const service = this.#view.service(DNS_SERVICE)
    return service ? this.#targets(service) : []
  }

  #apex(type: RecordType): Answer {
    if (type === 'SOA') return this.#found([this.soa()])
    if (type !== 'NS') return { outcome: 'noData' }
    const name = this.#serverName
    const glue = this.#serverTargets().map(({ ip }): DnsRecord => ({ type: addressType(ip), name, ttl: TTL_SECONDS, data: ip }))
    return this.#found([{ type: 'NS', name: this.#domain, ttl: TTL_SECONDS, data: name }], glue)
  }

  #found(records: readonly DnsRecord[], additional: readonly DnsRecord[] = []): Answer {
    return records.length > 0 ? { outcome: 'found', records, additional } : { outcome: 'noData' }
  }

  /** `labels` before `svc`: [[_port, _protocol | hostname], service, namespace]. */
  #service(name: string, labels: readonly string[], type: RecordType): Answer {
    const namespace = labels.at(-1)
    if (!namespace) return { outcome: 'noData' }
    if (labels.length === 1) return { outcome: this.#view.hasNamespace(namespace) ? 'noData' : 'noName' }
    const service = this.#view.service(`${namespace}/${labels.at(-2)}`)
    if (!service) return { outcome: 'noName' }
    const prefix = labels.slice(0, -2)
    if (service.spec.type === 'ExternalName') {
      if (prefix.length > 0 || !service.spec.externalName) return { outcome: 'noName' }
      return this.#found([{ type: 'CNAME', name, ttl: TTL_SECONDS, data: service.spec.externalName }])
    }
    const base = `${service.metadata.name}.${namespace}.svc.${this.#domain}`
    const targets = this.#targets(service)
    if (prefix.length === 0) return this.#plain(name, base, targets, type)
    if (prefix.length === 2 && prefix[0]?.startsWith('_') && prefix[1]?.startsWith('_'))
      return this.#srv(name, base, targets, type, { port: prefix[0].slice(1), protocol: prefix[1].slice(1) })
    if (prefix.length !== 1) return { outcome: 'noName' }
    // Beyond the specification, and as CoreDNS: the endpoints of a service that has an address have names as well.
    const host = this.#endpoints(service).filter((t) => t.hostname === prefix[0])
    return host.length === 0 ? { outcome: 'noName' } : this.#addresses(name, host, type)
  }

  #plain(name: string, base: string, targets: readonly Target[], type: RecordType): Answer {
    if (type === 'SRV') return this.#srv(name, base, targets, type)
    if (targets.length === 0) return { outcome: 'noName' }
    return this.#addresses(name, targets, type)
  }

  #addresses(name: string, targets: readonly Target[], type: RecordType): Answer {
    const wanted = targets.filter(({ ip }) => type === 'ANY' || addressType(ip) === type)
    const distinct = [...new Set(wanted.map(({ ip }) => ip))]
    return this.#found(distinct.map((ip) => ({ type: addressType(ip), name, ttl: TTL_SECONDS, data: ip })))
  }

  #srv(name: string, base: string, targets: readonly Target[], type: RecordType, asked?: { port: string; protocol: string }): Answer {
    const hits = targets.flatMap((target) =>
      target.ports
        .filter((p) => (asked ? p.name === asked.port && p.protocol === asked.protocol : true))
        .map((p) => ({ target, port: p.port })),
    )
    if (hits.length === 0) return { outcome: 'noName' }
    if (type !== 'SRV' && type !== 'ANY') return { outcome: 'noData' }
    const nameOf = (target: Target): string => (target.hostname ? `${target.hostname}.${base}` : base)
    // The addresses of a target are in the additional section, however many it has.
    const distinct = [...new Map(hits.map((hit) => [`${hit.port} ${nameOf(hit.target)}`, hit])).values()]
    const weight = Math.max(1, Math.floor(100 / distinct.length))
    const records = distinct.map(({ target, port }): DnsRecord => {
      return { type: 'SRV', name, ttl: TTL_SECONDS, data: { priority: 0, weight, port, target: nameOf(target) } }
    })
    const addresses = new Map(hits.map(({ target }) => [`${target.ip} ${nameOf(target)}`, target]))
    const additional = addresses.values().map((target): DnsRecord => {
      return { type: addressType(target.ip), name: nameOf(target), ttl: TTL_SECONDS, data: target.ip }
    })
    return this.#found(records, [...additional])
  }

  /** Where a service's names lead: its cluster addresses, or each endpoint of a headless one. */
  #targets(service: Service): Target[] {
    if (isHeadless(service)) return this.#endpoints(service)
    const ports = (service.spec.ports ?? []).map((p) => ({
      name: p.name ?? '',
      protocol: (p.protocol ?? 'TCP').toLowerCase(),
      port: p.port,
    }))
    return (service.spec.clusterIPs ?? [service.spec.clusterIP ?? '']).filter(Boolean).map((ip) => ({ ip, hostname: '', ports }))
  }

  #endpoints(service: Service): Target[] {
    return this.#view.slicesOf(`${service.metadata.namespace}/${service.metadata.name}`).flatMap((slice) => {
      const ports = (slice.ports ?? []).map((p) => ({
        name: p.name ?? '',
        protocol: (p.protocol ?? 'TCP').toLowerCase(),
        port: p.port ?? 0,
      }))
      return (slice.endpoints ?? [])
        .filter((e) => isPublished(service, e))
        .flatMap((e) => e.addresses.map((ip) => ({ ip, hostname: e.hostname || dashed(ip), ports })))
    })
  }

  #pod(name: string, labels: readonly string[], type: RecordType): Answer {
    const namespace = labels.at(-1)
    if (namespace === undefined) return { outcome: 'noData' }
    if (labels.length > 2 || !this.#view.hasNamespace(namespace)) return { outcome: 'noName' }
    const [ip = ''] = labels
    if (labels.length === 1) return { outcome: 'noData' }
    const address = addressOf(ip)
    return address === undefined ? { outcome: 'noName' } : this.#addresses(name, [{ ip: address, hostname: '', ports: [] }], type)
  }

  #reverse(name: string, type: RecordType): Answer {
    const ip = reversedAddress(name)
    if (ip === undefined) return { outcome: 'none' }
    const names: string[] = []
    const service = this.#view.serviceAt(ip)
    if (service) names.push(`${service.metadata.name}.${service.metadata.namespace}.svc.${this.#domain}`)
    for (const slice of this.#view.slicesAt(ip)) {
      const owner = this.#view.service(`${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME]}`)
      const endpoint = owner && slice.endpoints?.find((e) => e.addresses.includes(ip) && isPublished(owner, e))
      if (endpoint) names.push(`${endpoint.hostname || dashed(ip)}.${owner.metadata.name}.${owner.metadata.namespace}.svc.${this.#domain}`)
    }
    if (names.length === 0) return { outcome: 'none' }
    if (type !== 'PTR' && type !== 'ANY') return { outcome: 'noData' }
    return this.#found([...new Set(names)].map((data) => ({ type: 'PTR', name, ttl: TTL_SECONDS, data })))
  }
}

function isHeadless(service: Service): boolean {
  return service.spec.clusterIP === 'None'
}

function isPublished({ spec }: Service, { conditions }: Endpoint): boolean {
  return spec.publishNotReadyAddresses === true || (conditions?.ready ?? true)
}
