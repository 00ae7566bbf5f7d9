/** DNS over UDP and TCP on one address: decoding, limits and truncation. What to answer is the handler's business. */
import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import { AUTHORITATIVE_ANSWER, RECURSION_AVAILABLE, TRUNCATED_RESPONSE, decode, encode, type OptAnswer, type Packet } from 'dns-packet'
import { framed } from './forwarder.ts'

export interface Question {
  /** Lower case, without a trailing dot. */
  name: string
  type: string
}

export interface Reply {
  rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL' | 'NOTIMP' | 'REFUSED'
  authoritative: boolean
  answers: NonNullable<Packet['answers']>
  authorities?: NonNullable<Packet['authorities']>
  additionals?: NonNullable<Packet['additionals']>
}

export type Handler = (question: Question) => Promise<Reply>

const RCODES: Record<Reply['rcode'], number> = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 }
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

async function respond(message: Buffer, handler: Handler, limitBytes: (query: Packet) => number): Promise<Buffer | undefined> {
  let query: Packet
  try {
    query = decode(message)
  } catch {
    return undefined
  }
  const [question] = query.questions ?? []
  if (query.type !== 'query' || !question) return undefined
  const asked = { name: question.name.toLowerCase().replace(/\.$/, ''), type: question.type }
  const reply = await handler(asked).catch((): Reply => ({ rcode: 'SERVFAIL', authoritative: false, answers: [] }))
  const edns = query.additionals?.some((record) => record.type === 'OPT') ?? false
  const opt: NonNullable<Packet['additionals']> = edns ? [OPT] : []
  const flags = RCODES[reply.rcode] | RECURSION_AVAILABLE | ((query.flags ?? 0) & 0x0100) | (reply.authoritative ? AUTHORITATIVE_ANSWER : 0)
  const packet = {
    type: 'response' as const,
    id: query.id ?? 0,
    flags,
    questions: query.questions ?? [],
    answers: reply.answers,
    authorities: reply.authorities ?? [],
    additionals: [...(reply.additionals ?? []), ...opt],
  }
  const whole = encode(packet)
  if (whole.length <= limitBytes(query)) return whole
  return encode({ ...packet, flags: flags | TRUNCATED_RESPONSE, answers: [], authorities: [], additionals: opt })
}

function udpLimit(query: Packet): number {
  const opt = query.additionals?.find((record) => record.type === 'OPT')
  const offered = opt && 'udpPayloadSize' in opt ? Number(opt.udpPayloadSize) : PLAIN_UDP_BYTES
  return Math.min(LARGEST_UDP_BYTES, Math.max(PLAIN_UDP_BYTES, offered))
}

function serveTcp(socket: Socket, handler: Handler): void {
  let received = Buffer.alloc(0)
  socket.setTimeout(TCP_IDLE_MS, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    while (received.length >= 2) {
      const end = 2 + received.readUInt16BE(0)
      if (received.length < end) break
      const message = received.subarray(2, end)
      received = received.subarray(end)
      void respond(message, handler, () => LARGEST_TCP_BYTES).then((reply) => {
        if (reply && socket.writable) socket.write(framed(reply))
      })
    }
  })
}

/** Serves until `close` is called. */
export async function serveDns(address: { host: string; port: number }, handler: Handler): Promise<{ port: number; close(): void }> {
  const udp = createSocket('udp4')
  udp.on('message', (message, from) => {
    void respond(message, handler, udpLimit).then((reply) => {
      if (reply) udp.send(reply, from.port, from.address, () => {})
    })
  })
  const tcp = createServer((socket) => serveTcp(socket, handler))
  tcp.maxConnections = TCP_CONNECTIONS
  udp.bind(address.port, address.host)
  await once(udp, 'listening')
  const { port } = udp.address()
  tcp.listen(port, address.host)
  await once(tcp, 'listening')
  return {
    port,
    close() {
      udp.close()
      tcp.close()
    },
  }
}
