/** DNS over UDP and TCP on one address: decoding, limits and truncation. What to answer is the handler's business. */
import { createSocket } from 'node:dgram'
import { createServer, type Socket, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { AUTHORITATIVE_ANSWER, decode, RECURSION_AVAILABLE, type OptAnswer, type Packet } from 'dns-packet'
import type { DnsMetrics, Protocol } from './dnsMetrics.ts'
import { framed } from './forwarder.ts'
import { encodeResponse, shuffled } from './message.ts'

export interface Question {
  /** Lower case, without a trailing dot. */
  name: string
  type: string
}

export interface Reply {
  rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL' | 'NOTIMP' | 'REFUSED' | 'BADVERS'
  authoritative: boolean
  answers: NonNullable<Packet['answers']>
  authorities?: NonNullable<Packet['authorities']>
  additionals?: NonNullable<Packet['additionals']>
}

export type Handler = (question: Question) => Promise<Reply>

/** Their lower bits: the rest of BADVERS is in the EDNS record. */
const RCODES: Record<Reply['rcode'], number> = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 0 }
/** The EDNS record of our answers. */
const OPT: OptAnswer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
}
const PLAIN_UDP_BYTES = 512
const LARGEST_UDP_BYTES = 1232
const TCP_IDLE_MS = 10_000
const TCP_CONNECTIONS = 200
const LARGEST_TCP_BYTES = 65_535
/** Of the length in front of each message over TCP. */
const LENGTH_BYTES = 2

const RESPONSE = 0x8000
const OPCODE = 0x7800
const RECURSION_DESIRED = 0x0100
const HEADER_BYTES = 12
const FORMERR = 1

const BAD_VERSION: Reply = { rcode: 'BADVERS', authoritative: false, answers: [] }
const FAILURE: Reply = { rcode: 'SERVFAIL', authoritative: false, answers: [] }

/** What all messages to one address meet. */
interface Service {
  handler: Handler
  isIpv6: boolean
  metrics?: DnsMetrics | undefined
}

/** Undefined where it is none, or one of several. */
function questionOf(message: Buffer): Packet | undefined {
  try {
    const query = decode(message)
    const isQuestion = query.type === 'query' && query.questions?.length === 1 && ((query.flags ?? 0) & OPCODE) === 0
    return isQuestion ? query : undefined
  } catch {
    return undefined
  }
}

function isKnownEdns({ additionals = [] }: Packet): boolean {
  return additionals.every((one) => !('ednsVersion' in one) || one.ednsVersion === 0)
}

/** The bytes of an answer; undefined where the message is no question. Never rejects: what strangers send must not end the process. */
async function respond(message: Buffer, proto: Protocol, { handler, isIpv6, metrics }: Service): Promise<Buffer | undefined> {
  const startedMs = performance.now()
  const query = questionOf(message)
  const [question] = query?.questions ?? []
  if (!query || !question) return refusal(message)
  const asked = { name: question.name.toLowerCase().replace(/\.$/, ''), type: question.type }
  const limitBytes = proto === 'udp' ? udpLimit(query) : LARGEST_TCP_BYTES
  let reply = FAILURE
  let bytes: Buffer
  try {
    reply = isKnownEdns(query) ? await handler(asked) : BAD_VERSION
    bytes = encodeReply(query, reply, limitBytes)
  } catch {
    reply = FAILURE
    bytes = encodeReply(query, reply, limitBytes)
  }
  const { type } = question
  const sizes = { sizeBytes: message.length, replyBytes: bytes.length }
  metrics?.answered({ proto, isIpv6, type, rcode: reply.rcode, ...sizes, durationMs: performance.now() - startedMs })
  return bytes
}

function encodeReply(query: Packet, reply: Reply, limitBytes: number): Buffer {
  const asked = query.additionals?.find((one) => one.type === 'OPT')
  const flags =
    RCODES[reply.rcode] | RECURSION_AVAILABLE | ((query.flags ?? 0) & RECURSION_DESIRED) | (reply.authoritative ? AUTHORITATIVE_ANSWER : 0)
  const { answers, authorities = [], additionals = [] } = reply
  const opt = asked ? [reply.rcode === 'BADVERS' ? { ...OPT, extendedRcode: 1 } : OPT] : []
  const head = { type: 'response' as const, id: query.id ?? 0, flags, questions: query.questions ?? [] }
  return encodeResponse({ ...head, answers: shuffled(answers), authorities, additionals, opt }, limitBytes)
}

/** What is refused before it is read: other operations than questions, and not exactly one of those. Undefined for what is no request. */
function refusal(message: Buffer): Buffer | undefined {
  if (message.length < HEADER_BYTES) return undefined
  const flags = message.readUInt16BE(2)
  if (flags & RESPONSE) return undefined
  const opcode = flags & OPCODE
  const rcode = opcode === 0 ? FORMERR : RCODES.NOTIMP
  const head = Buffer.alloc(HEADER_BYTES)
  head.writeUInt16BE(message.readUInt16BE(0), 0)
  head.writeUInt16BE(RESPONSE | opcode | (flags & RECURSION_DESIRED) | rcode, 2)
  return head
}

function udpLimit(query: Packet): number {
  const opt = query.additionals?.find((record) => record.type === 'OPT')
  const offered = opt && 'udpPayloadSize' in opt ? Number(opt.udpPayloadSize) : PLAIN_UDP_BYTES
  return Math.min(LARGEST_UDP_BYTES, Math.max(PLAIN_UDP_BYTES, offered))
}

/** One question after the other: a client that does not read its answers is not read either. */
async function serveTcp(socket: Socket, service: Service): Promise<void> {
  let received = Buffer.alloc(0)
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    received = Buffer.concat([received, chunk])
    while (received.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + received.readUInt16BE(0)
      if (received.length < end) break
      const reply = await respond(received.subarray(LENGTH_BYTES, end), 'tcp', service)
      received = received.subarray(end)
      if (reply && !socket.write(framed(reply))) await once(socket, 'drain')
    }
  }
}

function onConnection(socket: Socket, service: Service): void {
  socket.setTimeout(TCP_IDLE_MS, () => socket.destroy())
  // A connection that breaks is its client's affair.
  serveTcp(socket, service).catch(() => socket.destroy())
}

export interface DnsServer {
  port: number
  /** Rejects when a socket fails. */
  failed: Promise<never>
  close(): void
}

/** Serves until `close` is called. */
export async function serveDns(address: { host: string; port: number }, handler: Handler, metrics?: DnsMetrics): Promise<DnsServer> {
  const isIpv6 = address.host.includes(':')
  const service = { handler, isIpv6, metrics }
  const udp = isIpv6 ? createSocket({ type: 'udp6', ipv6Only: true }) : createSocket('udp4')
  const tcp = createServer((socket) => onConnection(socket, service))
  tcp.maxConnections = TCP_CONNECTIONS
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => {})
  const close = (): void => {
    udp.close()
    tcp.close()
  }
  udp.on('message', (message, from) => {
    void respond(message, 'udp', service).then((reply) => {
      if (reply) udp.send(reply, from.port, from.address, () => {})
    })
  })
  try {
    // TCP first: where any port will do, one that is free there is hardly ever taken for UDP.
    tcp.listen({ port: address.port, host: address.host, ipv6Only: isIpv6 })
    await once(tcp, 'listening')
    udp.bind((tcp.address() as AddressInfo).port, address.host)
    await once(udp, 'listening')
  } catch (error) {
    // The port must be free for the next try.
    close()
    throw error
  }
  udp.on('error', failure.reject)
  tcp.on('error', failure.reject)
  return { port: udp.address().port, failed: failure.promise, close }
}
