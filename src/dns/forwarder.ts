/**
 * Asks the node's own name servers for what is not the cluster's, with a bounded cache of what they know and of what they
 * know not to exist. One that does not answer is asked last for a while; a question that nobody answers in time fails.
 */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { decode, encode, type Packet } from 'dns-packet'
import { hostPort } from '../base/ipFamily.ts'
import type { Clock } from '../base/clock.ts'
import type { CachedType, DnsMetrics } from './dnsMetrics.ts'

const TIMEOUT_MS = 2_000
/** Askers give up after five seconds. A lost packet is no reason to fail them. */
const ASKING_TIMEOUT_MS = 4_500
const ROUNDS = 2
/** A name server that did not answer comes after the others for so long. */
const AVOIDED_MS = 30_000
const CACHE_ENTRIES = 1_000
/** Questions under way at once; what comes on top of them fails. */
const ASKING_MAX = 500
const LONGEST_CACHE_MS = 30_000
const DNS_PORT = 53

export interface NameServer {
  host: string
  port?: number
}

interface Question {
  name: string
  type: string
}

const keyOf = ({ host, port = DNS_PORT }: NameServer): string => `${host} ${port}`

/** The `nameserver` lines of a resolv.conf. */
export function parseNameServers(resolvConf: string): NameServer[] {
  return [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => ({ host: match[1] as string }))
}

export interface ForwarderOptions {
  nameServers: () => Promise<readonly NameServer[]>
  clock: Clock
  metrics?: DnsMetrics
}

export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #cache = new Map<string, { packet: Packet; fromMs: number; untilMs: number }>()
  /** When name servers failed to answer, by address. */
  readonly #silentMs = new Map<string, number>()
  readonly #asking = new Map<string, Promise<Packet | undefined>>()

  constructor(options: ForwarderOptions) {
    this.#options = options
    options.metrics?.countCached((type) => this.#cache.values().reduce((sum, { packet }) => sum + (cachedType(packet) === type ? 1 : 0), 0))
  }

  /** The answer of the first name server that gives one; undefined when none does. */
  async ask(question: Question, signal: AbortSignal): Promise<Packet | undefined> {
    const key = `${question.type} ${question.name}`
    const cached = this.#cache.get(key)
    const nowMs = this.#options.clock.now()
    const isKnown = cached !== undefined && cached.untilMs > nowMs
    const { metrics } = this.#options
    metrics?.lookedUp(isKnown ? cachedType(cached.packet) : undefined)
    if (isKnown) return aged(cached.packet, Math.floor((nowMs - cached.fromMs) / 1000))
    this.#cache.delete(key)
    const asked = this.#asking.get(key)
    if (asked) return asked
    if (this.#asking.size >= ASKING_MAX) {
      metrics?.rejected()
      return undefined
    }
    const asking = this.#askServers(key, question, signal).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asking)
    return asking
  }

  async #askServers(key: string, question: Question, signal: AbortSignal): Promise<Packet | undefined> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ASKING_TIMEOUT_MS)])
    const servers = await this.#options.nameServers()
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of this.#inOrder(servers)) {
        if (limit.aborted) return undefined
        const startedMs = performance.now()
        const packet = await exchange(server, question, limit)
        if (packet)
          this.#options.metrics?.forwarded(hostPort(server.host, server.port ?? DNS_PORT), rcodeOf(packet), performance.now() - startedMs)
        if (!packet) {
          this.#silentMs.set(keyOf(server), this.#options.clock.now())
          continue
        }
        this.#silentMs.delete(keyOf(server))
        this.#remember(key, packet)
        return packet
      }
    }
    return undefined
  }

  #inOrder(servers: readonly NameServer[]): NameServer[] {
    const sinceMs = this.#options.clock.now() - AVOIDED_MS
    const isSilent = (server: NameServer): boolean => (this.#silentMs.get(keyOf(server)) ?? -Infinity) > sinceMs
    return [...servers.filter((server) => !isSilent(server)), ...servers.filter(isSilent)]
  }

  #remember(key: string, packet: Packet): void {
    const ttlMs = Math.min(LONGEST_CACHE_MS, lifetimeSeconds(packet) * 1000)
    if (ttlMs <= 0) return
    if (this.#cache.size >= CACHE_ENTRIES) this.#cache.delete(this.#cache.keys().next().value as string)
    const fromMs = this.#options.clock.now()
    this.#cache.set(key, { packet, fromMs, untilMs: fromMs + ttlMs })
  }
}

const rcodeOf = (packet: Packet): string => ('rcode' in packet ? String(packet.rcode) : 'NOERROR')
const cachedType = (packet: Packet): CachedType => ((packet.answers ?? []).length > 0 ? 'success' : 'denial')
const ttlOf = (record: object): number => ('ttl' in record && typeof record.ttl === 'number' ? record.ttl : 0)

/** How long an answer holds; that there is none, as long as the zone's SOA record says (RFC 2308). Failures are not kept. */
function lifetimeSeconds(packet: Packet): number {
  const { answers = [], authorities = [] } = packet
  const rcode = rcodeOf(packet)
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') return 0
  if (answers.length > 0) return Math.min(...answers.map(ttlOf))
  const soa = authorities.find((record) => record.type === 'SOA')
  return soa?.type === 'SOA' ? Math.min(ttlOf(soa), soa.data.minimum ?? 0) : 0
}

/** What is told from the cache holds no longer than it did when it came. */
function aged(packet: Packet, seconds: number): Packet {
  if (seconds === 0) return packet
  const age = <T extends object>(record: T): T => ('ttl' in record ? { ...record, ttl: Math.max(0, ttlOf(record) - seconds) } : record)
  return { ...packet, answers: (packet.answers ?? []).map(age), authorities: (packet.authorities ?? []).map(age) }
}

async function exchange(server: NameServer, question: Question, signal: AbortSignal): Promise<Packet | undefined> {
  const id = randomInt(65_536)
  const query = encode({ type: 'query', id, flags: 0x0100, questions: [{ name: question.name, type: question.type as 'A', class: 'IN' }] })
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  const packet = await overUdp(server, query, (bytes) => decodeAnswer(bytes, id, question), limit)
  if (!packet?.flag_tc) return packet
  const whole = limit.aborted ? undefined : await overTcp(server, query, limit)
  return whole && decodeAnswer(whole, id, question)
}

type Decoded = Packet & { flag_tc?: boolean }

/** An answer to another question is somebody else's, or a forgery. */
function decodeAnswer(bytes: Buffer, id: number, { name, type }: Question): Decoded | undefined {
  try {
    const packet = decode(bytes) as Decoded
    const [asked] = packet.questions ?? []
    const isOurs = packet.id === id && asked?.type === type && asked.name.toLowerCase() === name.toLowerCase()
    return isOurs ? packet : undefined
  } catch {
    return undefined
  }
}

/** The first answer that `read` takes for one: what else comes meanwhile does not keep the right one from being heard. */
function overUdp<T>(
  server: NameServer,
  query: Buffer,
  read: (bytes: Buffer) => T | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<T | undefined>()
  const socket = createSocket(server.host.includes(':') ? 'udp6' : 'udp4')
  const give = (): void => resolve(undefined)
  signal.addEventListener('abort', give, { once: true })
  socket.on('message', (message) => {
    const answer = read(message)
    if (answer !== undefined) resolve(answer)
  })
  socket.on('error', give)
  socket.connect(server.port ?? DNS_PORT, server.host, () => socket.send(query))
  return promise.finally(() => {
    signal.removeEventListener('abort', give)
    socket.close()
  })
}

function overTcp(server: NameServer, query: Buffer, signal: AbortSignal): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>()
  const socket = connect(server.port ?? DNS_PORT, server.host)
  const give = (): void => resolve(undefined)
  signal.addEventListener('abort', give, { once: true })
  let received = Buffer.alloc(0)
  socket.on('connect', () => socket.write(framed(query)))
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) resolve(received.subarray(2, 2 + received.readUInt16BE(0)))
  })
  socket.on('error', give)
  socket.on('close', give)
  return promise.finally(() => {
    signal.removeEventListener('abort', give)
    socket.destroy()
  })
}

/** DNS over TCP puts the length in front. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}
