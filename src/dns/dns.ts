/**
 * Cluster DNS: answers for the cluster's names as the Kubernetes DNS specification says, and forwards everything else to the
 * node's name servers. It listens on the node's addresses; the `kube-dns` Service leads pods to it like to any other endpoint.
 */
import { readFile } from 'node:fs/promises'
import type { Answer as PacketAnswer } from 'dns-packet'
import { aborted } from '../base/abort.ts'
import type { ComponentContext } from '../base/component.ts'
import { canonicalAddress } from '../base/ipFamily.ts'
import { namespaces, services, type Service } from '../api/kinds/core/v1.ts'
import { endpointslices, type EndpointSlice } from '../api/kinds/discovery/v1.ts'
import type { Client } from '../client/client.ts'
import type { Informer, Informers } from '../client/informer.ts'
import { DnsMetrics, serveDnsMetrics } from './dnsMetrics.ts'
import { Forwarder, parseNameServers, type NameServer } from './forwarder.ts'
import { ClusterZone, type ClusterView, type RecordType } from './records.ts'
import { serveDns, type DnsServer, type Handler, type Reply } from './server.ts'
import { publishDnsService } from './service.ts'

export interface DnsOptions {
  client: Client
  informers: Informers
  nodeName: string
  /** Where it listens: one of each IP family that the cluster has. */
  nodeIps: readonly string[]
  /** The address of the `kube-dns` Service. */
  clusterDns: string
  clusterDomain: string
  /** Names that the node itself knows, by name: `host.minicube.internal` → its address. */
  hosts?: Readonly<Record<string, string>>
  /** Where questions about other names go; the node's resolv.conf unless given. */
  nameServers?: () => Promise<readonly NameServer[]>
}

export const DNS_PORT = 10_053
/** Of the node; the Service's is CoreDNS' 9153. */
const METRICS_PORT = 10_054
/** The machine outside may get another address with each start. */
const HOST_TTL_SECONDS = 5
const BY_ADDRESS = 'dns/address'
const BY_SERVICE = 'dns/service'
const RESOLV_CONF = '/etc/resolv.conf'

function viewOf(informers: Informers): { view: ClusterView; all: readonly Pick<Informer<Service>, 'synced'>[] } {
  const serviceInformer = informers.for(services)
  const sliceInformer = informers.for(endpointslices)
  const namespaceInformer = informers.for(namespaces)
  serviceInformer.addIndex(BY_ADDRESS, ({ spec }) => (spec.clusterIPs ?? []).filter((ip) => ip !== 'None').map(canonicalAddress))
  sliceInformer.addIndex(BY_ADDRESS, (slice: EndpointSlice) => (slice.endpoints ?? []).flatMap((e) => e.addresses.map(canonicalAddress)))
  sliceInformer.addIndex(BY_SERVICE, ({ metadata }) => {
    const name = metadata.labels?.['kubernetes.io/service-name']
    return name ? [`${metadata.namespace}/${name}`] : []
  })
  const view: ClusterView = {
    service: (key) => serviceInformer.get(key),
    slicesOf: (key) => sliceInformer.byIndex(BY_SERVICE, key),
    hasNamespace: (name) => namespaceInformer.get(name) !== undefined,
    serviceAt: (ip) => serviceInformer.byIndex(BY_ADDRESS, ip)[0],
    slicesAt: (ip) => sliceInformer.byIndex(BY_ADDRESS, ip),
  }
  return { view, all: [serviceInformer, sliceInformer, namespaceInformer] }
}

/** What the server answers: cluster names first, then the node's own names, then whatever the name servers say. */
export function createHandler(
  zone: ClusterZone,
  hosts: Readonly<Record<string, string>>,
  forwarder: Forwarder,
  signal: AbortSignal,
): Handler {
  return async ({ name, type }) => {
    const answer = zone.answer(name, type as RecordType)
    if (answer.outcome === 'found') {
      const answers = answer.records as PacketAnswer[]
      const [first] = answers
      if (first?.type === 'CNAME' && type !== 'CNAME') answers.push(...(await follow(String(first.data), type, zone, forwarder, signal)))
      return { rcode: 'NOERROR', authoritative: true, answers, additionals: answer.additional as PacketAnswer[] }
    }
    if (answer.outcome !== 'none') {
      const rcode = answer.outcome === 'noData' ? 'NOERROR' : 'NXDOMAIN'
      return { rcode, authoritative: true, answers: [], authorities: [zone.soa()] }
    }
    const host = hosts[name]
    if (host)
      return {
        rcode: 'NOERROR',
        authoritative: true,
        answers: type === 'A' ? [{ type: 'A', name, ttl: HOST_TTL_SECONDS, data: host }] : [],
      }
    return forward(name, type, forwarder, signal)
  }
}

async function forward(name: string, type: string, forwarder: Forwarder, signal: AbortSignal): Promise<Reply> {
  const packet = await forwarder.ask({ name, type }, signal)
  if (!packet) return { rcode: 'SERVFAIL', authoritative: false, answers: [] }
  const rcode = ('rcode' in packet ? packet.rcode : 'NOERROR') as Reply['rcode']
  const known = rcode === 'NOERROR' || rcode === 'NXDOMAIN' || rcode === 'REFUSED' || rcode === 'NOTIMP'
  return { rcode: known ? rcode : 'SERVFAIL', authoritative: false, answers: packet.answers ?? [], authorities: packet.authorities ?? [] }
}

/** As CoreDNS: a chain of external names that is longer leads nowhere. */
const MAX_CHAIN = 8

/** What an external name leads to, where that can be told, through others like it; the CNAME alone is an answer as well. */
async function follow(target: string, type: string, zone: ClusterZone, forwarder: Forwarder, signal: AbortSignal): Promise<PacketAnswer[]> {
  const found: PacketAnswer[] = []
  let next = target
  for (let length = 1; length <= MAX_CHAIN; length++) {
    const name = next.toLowerCase().replace(/\.$/, '')
    const inside = zone.answer(name, type as RecordType)
    if (inside.outcome === 'none') return [...found, ...((await forwarder.ask({ name, type }, signal))?.answers ?? [])]
    if (inside.outcome !== 'found') return found
    found.push(...(inside.records as PacketAnswer[]))
    const [first] = inside.records
    if (first?.type !== 'CNAME') return found
    next = first.data
  }
  return found
}

export async function runDns(options: DnsOptions, { signal, clock, log, ready }: ComponentContext): Promise<void> {
  const { view, all } = viewOf(options.informers)
  await Promise.all(all.map((informer) => informer.synced(signal)))
  const zone = new ClusterZone(options.clusterDomain, view)
  const nameServers = options.nameServers ?? (async () => parseNameServers(await readFile(RESOLV_CONF, 'utf8')))
  const metrics = new DnsMetrics(options.nodeName)
  const forwarder = new Forwarder({ nameServers, clock, metrics })
  const handler = createHandler(zone, options.hosts ?? {}, forwarder, signal)
  const servers: Pick<DnsServer, 'close'>[] = []
  const failures: Promise<never>[] = []
  try {
    for (const host of options.nodeIps) {
      const server = await serveDns({ host, port: DNS_PORT }, handler, metrics)
      servers.push(server)
      failures.push(server.failed)
      // A port that somebody else has is worth a line, no more: names are found without.
      const told = await serveDnsMetrics(metrics, { host, port: METRICS_PORT }).catch((error: unknown) =>
        log.warn('the metrics of cluster DNS cannot be served', { error: String(error) }),
      )
      if (told) servers.push({ close: () => (told.close(), told.closeAllConnections()) })
    }
    await publishDnsService(options, { dns: DNS_PORT, metrics: METRICS_PORT }, signal)
    ready()
    await Promise.race([aborted(signal), ...failures])
  } finally {
    for (const server of servers) server.close()
  }
}
