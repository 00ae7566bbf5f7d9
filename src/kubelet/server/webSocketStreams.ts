/**
 * A client's streams over one WebSocket: the channel protocols of Kubernetes. The first byte of each message is the channel;
 * v5 adds a message that closes one, which is how an input ends while the output goes on.
 */
import { Readable, Writable } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Status } from '../../api/kinds/meta/v1.ts'
import type { ClientStreams } from './remoteCommand.ts'

const STDIN = 0
const STDOUT = 1
const STDERR = 2
const ERROR = 3
const RESIZE = 4
const CLOSE = 255

export interface ChannelProtocol {
  name: string
  base64: boolean
  /** The error channel carries a Status; before v4 it was bare text, and only for errors. */
  status: boolean
}

/** In the order of preference. */
export const CHANNEL_PROTOCOLS: readonly ChannelProtocol[] = [
  { name: 'v5.channel.k8s.io', base64: false, status: true },
  { name: 'v4.channel.k8s.io', base64: false, status: true },
  { name: 'v4.base64.channel.k8s.io', base64: true, status: true },
  { name: 'channel.k8s.io', base64: false, status: false },
  { name: 'base64.channel.k8s.io', base64: true, status: false },
]

export interface WantedStreams {
  stdin: boolean
  stdout: boolean
  stderr: boolean
  tty: boolean
}

const NORMAL_CLOSURE = 1000

export function webSocketStreams(socket: WebSocket, protocol: ChannelProtocol, wanted: WantedStreams): ClientStreams {
  const gone = new AbortController()
  const send = (channel: number, data: Uint8Array, done: (error?: Error | null) => void): void => {
    if (protocol.base64) socket.send(`${channel}${Buffer.from(data).toString('base64')}`, done)
    else socket.send(Buffer.concat([Buffer.of(channel), data]), { binary: true }, done)
  }
  const output = (channel: number): Writable => new Writable({ write: (chunk: Buffer, _, done) => send(channel, chunk, done) })
  const inputs = new Map<number, Readable>()
  const input = (channel: number): Readable => {
    // A reader that is behind holds the whole connection back.
    const stream = new Readable({ read: () => socket.resume() })
    inputs.set(channel, stream)
    return stream
  }
  const streams: ClientStreams = {
    ...(wanted.stdin && { stdin: input(STDIN) }),
    ...(wanted.stdout && { stdout: output(STDOUT) }),
    ...(wanted.stderr && { stderr: output(STDERR) }),
    ...(wanted.tty && { resize: input(RESIZE) }),
    finish: (status) => finish(socket, send, protocol, status),
    gone: gone.signal,
  }
  socket.on('message', (message: Buffer) => {
    const { channel, data } = readMessage(message, protocol)
    const stream = inputs.get(channel === CLOSE ? (data[0] ?? CLOSE) : channel)
    if (!stream || stream.destroyed || stream.readableEnded) return
    if (channel === CLOSE) stream.push(null)
    else if (data.length > 0 && !stream.push(data)) socket.pause()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    for (const stream of inputs.values()) stream.destroy()
    gone.abort()
  })
  // Tells the client that it is connected.
  send(wanted.stdout ? STDOUT : wanted.stderr ? STDERR : ERROR, Buffer.alloc(0), () => {})
  return streams
}

function readMessage(message: Buffer, { base64 }: ChannelProtocol): { channel: number; data: Buffer } {
  if (!base64) return { channel: message[0] ?? CLOSE, data: message.subarray(1) }
  return { channel: Number(message.toString('latin1', 0, 1)), data: Buffer.from(message.toString('latin1', 1), 'base64') }
}

async function finish(
  socket: WebSocket,
  send: (channel: number, data: Uint8Array, done: (error?: Error | null) => void) => void,
  protocol: ChannelProtocol,
  status: Status,
): Promise<void> {
  const text = protocol.status ? JSON.stringify(status) : status.status === 'Success' ? '' : (status.message ?? '')
  if (text !== '') await new Promise<void>((resolve) => send(ERROR, Buffer.from(text), () => resolve()))
  // The input's reader may have stopped it: the closing handshake must come through.
  socket.resume()
  socket.close(NORMAL_CLOSURE)
}
