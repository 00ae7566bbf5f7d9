/** coredns_*: what cluster DNS tells of its work. Dashboards and alerts for cluster DNS look for CoreDNS' names; the labels are those of its one server block. */
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { answerMetrics, answerNotFound } from '../client/metrics/answers.ts'
import { ComponentMetrics } from '../client/metrics/componentMetrics.ts'
import { TalliedCounter, TalliedGauge, TalliedHistogram } from '../client/metrics/tallies.ts'

const SERVER = { server: 'dns://:53', zone: '.', view: '' }
const CACHE = { server: 'dns://:53', zones: '.', view: '' }
const TIME_BUCKETS_SECONDS = Array.from({ length: 16 }, (_, i) => 0.000_25 * 2 ** i)
const SIZE_BUCKETS_BYTES = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16_000, 32_000, 48_000, 64_000]
/** Types that are told by their names. */
const TYPES = new Set([
  'A',
  'AAAA',
  'MX',
  'SOA',
  'CNAME',
  'PTR',
  'TXT',
  'NS',
  'SRV',
  'DS',
  'DNSKEY',
  'RRSIG',
  'NSEC',
  'HTTPS',
  'AXFR',
  'ANY',
])

export type Protocol = 'udp' | 'tcp'

export interface Answered {
  proto: Protocol
  isIpv6: boolean
  type: string
  rcode: string
  sizeBytes: number
  replyBytes: number
  durationMs: number
}

/** Rows that come with the first of their labels. */
function rowsBy<Row>(make: (labels: Record<string, string>) => Row): (labels: Record<string, string>) => Row {
  const rows = new Map<string, Row>()
  return (labels) => {
    const key = Object.values(labels).join(' ')
    let row = rows.get(key)
    if (!row) rows.set(key, (row = make(labels)))
    return row
  }
}

export class DnsMetrics {
  readonly component: ComponentMetrics
  readonly #requests
  readonly #responses
  readonly #durations
  readonly #sizes
  readonly #replySizes
  readonly #hits
  readonly #misses
  readonly #cacheRequests
  readonly #forwarded
  readonly #rejected
  readonly #entries

  constructor(nodeName: string) {
    this.component = new ComponentMetrics(nodeName)
    const { registry } = this.component
    const counter = (name: string, help: string): TalliedCounter => {
      const made = new TalliedCounter({ name: `coredns_${name}`, help })
      made.register(registry)
      return made
    }
    const histogram = (name: string, help: string, buckets: readonly number[]): TalliedHistogram => {
      const made = new TalliedHistogram({ name: `coredns_${name}`, help, buckets })
      made.register(registry)
      return made
    }
    const requests = counter('dns_requests_total', 'Questions, by protocol, IP family and type.')
    this.#requests = rowsBy((labels) => requests.row({ ...SERVER, ...labels }))
    const responses = counter('dns_responses_total', 'Answers, by what they say.')
    this.#responses = rowsBy((labels) => responses.row({ ...SERVER, ...labels }))
    this.#durations = histogram('dns_request_duration_seconds', 'How long answers took.', TIME_BUCKETS_SECONDS).row(SERVER)
    const sizes = histogram('dns_request_size_bytes', 'How long questions are.', SIZE_BUCKETS_BYTES)
    this.#sizes = rowsBy((labels) => sizes.row({ ...SERVER, ...labels }))
    const replySizes = histogram('dns_response_size_bytes', 'How long answers are.', SIZE_BUCKETS_BYTES)
    this.#replySizes = rowsBy((labels) => replySizes.row({ ...SERVER, ...labels }))
    const hits = counter('cache_hits_total', 'Questions that the cache could answer.')
    this.#hits = rowsBy((labels) => hits.row({ ...CACHE, ...labels }))
    this.#misses = counter('cache_misses_total', 'Questions that the cache could not answer.').row(CACHE)
    this.#cacheRequests = counter('cache_requests_total', 'Questions that the cache was asked.').row(CACHE)
    const forwarded = histogram('proxy_request_duration_seconds', 'How long name servers took to answer.', TIME_BUCKETS_SECONDS)
    this.#forwarded = rowsBy((labels) => forwarded.row({ proxy_name: 'forward', ...labels }))
    this.#rejected = counter('forward_max_concurrent_rejects_total', 'Questions too many at once to be passed on.').row({})
    this.#entries = new TalliedGauge({ name: 'coredns_cache_entries', help: 'What is in the cache.' })
    this.#entries.register(registry)
  }

  answered({ proto, isIpv6, type, rcode, sizeBytes, replyBytes, durationMs }: Answered): void {
    this.#requests({ proto, family: isIpv6 ? '2' : '1', type: TYPES.has(type) ? type : 'other' }).add()
    this.#responses({ rcode }).add()
    this.#durations.observe(durationMs / 1000)
    this.#sizes({ proto }).observe(sizeBytes)
    this.#replySizes({ proto }).observe(replyBytes)
  }

  /** Answers that names have, and answers that they have none. */
  countCached(count: (type: CachedType) => number): void {
    for (const type of ['success', 'denial'] as const) this.#entries.row({ ...CACHE, type }).readBy(() => count(type))
  }

  lookedUp(found: CachedType | undefined): void {
    this.#cacheRequests.add()
    if (found) this.#hits({ type: found }).add()
    else this.#misses.add()
  }

  forwarded(to: string, rcode: string, durationMs: number): void {
    this.#forwarded({ to, rcode }).observe(durationMs / 1000)
  }

  rejected(): void {
    this.#rejected.add()
  }
}

export type CachedType = 'success' | 'denial'

/** Serves them to whoever asks, as CoreDNS does; resolves once it listens. */
export async function serveDnsMetrics({ component }: DnsMetrics, address: { host: string; port: number }): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume()
    if ((request.url ?? '').split('?')[0] === '/metrics') answerMetrics(response, component.registry)
    else answerNotFound(response)
  })
  server.listen(address)
  await once(server, 'listening')
  return server
}
