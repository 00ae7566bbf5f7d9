/** coredns_*: what cluster DNS tells of its work. Dashboards and alerts for cluster DNS look for CoreDNS' names; the labels are those of its one server block. */
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { answerMetrics, answerNotFound } from '../client/metrics/answers.ts'
import { ComponentMetrics } from '../client/metrics/componentMetrics.ts'
import { ComponentTallies, rowsBy } from '../client/metrics/componentTallies.ts'

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
    const tallies = new ComponentTallies(this.component.registry, 'coredns')
    this.#requests = rowsBy(tallies.counter('dns_requests_total', 'Questions, by protocol, IP family and type.'), SERVER)
    this.#responses = rowsBy(tallies.counter('dns_responses_total', 'Answers, by what they say.'), SERVER)
    this.#durations = tallies.histogram('dns_request_duration_seconds', 'How long answers took.', TIME_BUCKETS_SECONDS).row(SERVER)
    this.#sizes = rowsBy(tallies.histogram('dns_request_size_bytes', 'How long questions are.', SIZE_BUCKETS_BYTES), SERVER)
    this.#replySizes = rowsBy(tallies.histogram('dns_response_size_bytes', 'How long answers are.', SIZE_BUCKETS_BYTES), SERVER)
    this.#hits = rowsBy(tallies.counter('cache_hits_total', 'Questions that the cache could answer.'), CACHE)
    this.#misses = tallies.counter('cache_misses_total', 'Questions that the cache could not answer.').row(CACHE)
    this.#cacheRequests = tallies.counter('cache_requests_total', 'Questions that the cache was asked.').row(CACHE)
    const forwarded = tallies.histogram('proxy_request_duration_seconds', 'How long name servers took to answer.', TIME_BUCKETS_SECONDS)
    this.#forwarded = rowsBy(forwarded, { proxy_name: 'forward' })
    this.#rejected = tallies.counter('forward_max_concurrent_rejects_total', 'Questions too many at once to be passed on.').row({})
    this.#entries = tallies.gauge('cache_entries', 'What is in the cache.')
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
