/**
 * Port-forwarding over the channels of one WebSocket, which needs no tunnel: each port of the query has a channel for its data
 * and, one higher, one for errors; both begin with the port's number, in two bytes. One connection to each port.
 */
import { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { WebSocket } from 'ws'
import type { PortForwardOptions } from './portForward.ts'

export const PORT_FORWARD_CHANNEL_PROTOCOLS = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io'] as const
const BASE64_PROTOCOL = 'v4.base64.channel.k8s.io'
const NORMAL_CLOSURE = 1000
const DIAL_TIMEOUT_MS = 30_000
const MAX_PORT = 65_535
/** A channel's number is one byte, and each port has two. */
const MAX_CHANNEL_PORTS = 128

/** The ports that a query names; undefined where one is none. */
export function portsOf(query: URLSearchParams): number[] | undefined {
  const texts = [...query.getAll('port'), ...query.getAll('ports')].flatMap((text) => text.split(','))
  const ports = texts.map(Number)
  const good = ports.length > 0 && ports.length <= MAX_CHANNEL_PORTS && ports.every((p) => Number.isInteger(p) && p > 0 && p <= MAX_PORT)
  return good ? ports : undefined
}

class Channels {
  readonly #socket: WebSocket
  readonly #base64: boolean
  readonly #streams = new Map<number, Duplex>()

  constructor(socket: WebSocket) {
    this.#socket = socket
    this.#base64 = socket.protocol === BASE64_PROTOCOL
    socket.on('message', (message: Buffer) => this.#receive(message))
    socket.on('error', () => {})
    socket.on('close', () => this.#streams.forEach((stream) => stream.destroy()))
  }

  send(channel: number, data: Uint8Array, done: (error?: Error | null) => void = () => {}): void {
    if (this.#base64) this.#socket.send(`${String.fromCharCode(channel + 0x30)}${Buffer.from(data).toString('base64')}`, done)
    else this.#socket.send(Buffer.concat([Buffer.of(channel), data]), { binary: true }, done)
  }

  open(channel: number): Duplex {
    const stream = new Duplex({
      // A reader that is behind holds the whole connection back.
      read: () => this.#socket.resume(),
      write: (chunk: Buffer, _, done) => this.send(channel, chunk, done),
    })
    this.#streams.set(channel, stream)
    return stream
  }

  #receive(message: Buffer): void {
    const channel = (message[0] ?? 0) - (this.#base64 ? 0x30 : 0)
    const data = this.#base64 ? Buffer.from(message.toString('latin1', 1), 'base64') : message.subarray(1)
    const stream = this.#streams.get(channel)
    if (stream && !stream.destroyed && data.length > 0 && !stream.push(data)) this.#socket.pause()
  }
}

/** Resolves when every port's connection is over, or the client's is. */
export async function serveWebSocketPortForward(
  socket: WebSocket,
  ports: readonly number[],
  options: Pick<PortForwardOptions, 'dial' | 'podName' | 'podUid' | 'log'>,
): Promise<void> {
  const { dial, podName, podUid, log } = options
  const channels = new Channels(socket)
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  const forward = async (port: number, at: number): Promise<void> => {
    const number = Buffer.alloc(2)
    number.writeUInt16LE(port)
    const [dataChannel, errorChannel] = [2 * at, 2 * at + 1]
    const data = channels.open(dataChannel)
    channels.send(dataChannel, number)
    channels.send(errorChannel, number)
    let target: Duplex | undefined
    try {
      target = await dial(port, AbortSignal.any([gone.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]))
      const toTarget = pipeline(data, target)
      // The client has no way to end its side alone: what the target says last is the end of both.
      await Promise.race([pipeline(target, data, { end: false }), toTarget])
      toTarget.catch(() => {})
    } catch (cause) {
      if (gone.signal.aborted) return
      const message = cause instanceof Error ? cause.message : String(cause)
      log.info('port-forward failed', { pod: podName, port, error: message })
      channels.send(errorChannel, Buffer.from(`error forwarding port ${port} to pod ${podName}, uid ${podUid}: ${message}`))
    } finally {
      target?.destroy()
      data.destroy()
    }
  }
  await Promise.all(ports.map(forward))
  socket.resume()
  socket.close(NORMAL_CLOSURE)
}
