/**
 * Asks the node's own name servers for what is not the cluster's, with a bounded cache. A question that nobody answers in
 * time fails; the asker may try again.
 */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { decode, encode, type Packet } from 'dns-packet'
import type { Clock } from '../base/clock.ts'

const TIMEOUT_MS = 2_000
const CACHE_ENTRIES = 1_000
/** Questions under way at once; what comes on top of them fails. */
const ASKING_MAX = 500
const LONGEST_CACHE_MS = 30_000
const DNS_PORT = 53

export interface NameServer {
  host: string
  port?: number
}

/** The `nameserver` lines of a resolv.conf. */
export function parseNameServers(resolvConf: string): NameServer[] {
  return [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => ({ host: match[1] as string }))
}

export interface ForwarderOptions {
  nameServers: () => Promise<readonly NameServer[]>
  clock: Clock
}

export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #cache = new Map<string, { packet: Packet; untilMs: number }>()
  readonly #asking = new Map<string, Promise<Packet | undefined>>()

  constructor(options: ForwarderOptions) {
    this.#options = options
  }

  /** The answer of the first name server that gives one; undefined when none does. */
  async ask(question: { name: string; type: string }, signal: AbortSignal): Promise<Packet | undefined> {
    const key = `${question.type} ${question.name}`
    const cached = this.#cache.get(key)
    if (cached && cached.untilMs > this.#options.clock.now()) return cached.packet
    this.#cache.delete(key)
    const asked = this.#asking.get(key)
    if (asked) return asked
    if (this.#asking.size >= ASKING_MAX) return undefined
    const asking = this.#askServers(key, question, signal).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asking)
    return asking
  }

  async #askServers(key: string, question: { name: string; type: string }, signal: AbortSignal): Promise<Packet | undefined> {
    for (const server of await this.#options.nameServers()) {
      if (signal.aborted) return undefined
      const packet = await exchange(server, question, signal)
      if (!packet) continue
      this.#remember(key, packet)
      return packet
    }
    return undefined
  }

  #remember(key: string, packet: Packet): void {
    const ttls = (packet.answers ?? []).map((answer) => ('ttl' in answer && typeof answer.ttl === 'number' ? answer.ttl * 1000 : 0))
    const ttlMs = Math.min(LONGEST_CACHE_MS, ...ttls)
    if (ttls.length === 0 || ttlMs <= 0) return
    if (this.#cache.size >= CACHE_ENTRIES) this.#cache.delete(this.#cache.keys().next().value as string)
    this.#cache.set(key, { packet, untilMs: this.#options.clock.now() + ttlMs })
  }
}

async function exchange(server: NameServer, question: { name: string; type: string }, signal: AbortSignal): Promise<Packet | undefined> {
  const id = Math.floor(Math.random() * 65_536)
  const query = encode({ type: 'query', id, flags: 0x0100, questions: [{ name: question.name, type: question.type as 'A', class: 'IN' }] })
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  const answer = await overUdp(server, query, limit)
  const packet = answer && decodeAnswer(answer, id)
  if (!packet?.flag_tc) return packet
  const whole = limit.aborted ? undefined : await overTcp(server, query, limit)
  return whole && decodeAnswer(whole, id)
}

type Decoded = Packet & { flag_tc?: boolean }

function decodeAnswer(bytes: Buffer, id: number): Decoded | undefined {
  try {
    const packet = decode(bytes) as Decoded
    return packet.id === id ? packet : undefined
  } catch {
    return undefined
  }
}

function overUdp(server: NameServer, query: Buffer, signal: AbortSignal): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>()
  const socket = createSocket(server.host.includes(':') ? 'udp6' : 'udp4')
  const give = (): void => resolve(undefined)
  signal.addEventListener('abort', give, { once: true })
  socket.once('message', (message) => resolve(message))
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
