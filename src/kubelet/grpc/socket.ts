/**
 * gRPC calls over a unix socket, on Node's own HTTP/2: the node's bundle carries no gRPC package, which would be a
 * good part of its size for a few calls of storage drivers and device plugins.
 */
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { createConnection } from 'node:net'
import { decodeGrpcMessage } from './message.ts'

/** An answer other than OK; code and text are the server's. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: number
  readonly details: string

  constructor(code: number, details: string, cause?: unknown) {
    super(`rpc error: code = ${codeName(code)} desc = ${details}`, { cause })
    this.code = code
    this.details = details
  }
}

const CODES = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
]
export const codeName = (code: number): string => CODES[code] ?? String(code)

/** Codes that this side of a call gives. */
export const RPC = {
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  ResourceExhausted: 8,
  Unimplemented: 12,
  Unavailable: 14,
} as const
const PREFIX_BYTES = 5
/** gRPC's own limit on what is received. */
const MAX_ANSWER_BYTES = 4 * 2 ** 20

/** One length-prefixed message, not compressed. */
export function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** The message of a frame. Throws a RangeError where it is none, or a compressed one. */
export function unframed(frame: Buffer): Buffer {
  if (frame.length < PREFIX_BYTES || frame[0] !== 0) throw new RangeError('the answer is no plain gRPC message')
  const length = frame.readUInt32BE(1)
  if (frame.length < PREFIX_BYTES + length) throw new RangeError('the answer is cut short')
  return frame.subarray(PREFIX_BYTES, PREFIX_BYTES + length)
}

/** Hands on what comes until it ends well; what `onData` throws ends it as well. */
function ended(stream: ClientHttp2Stream, onData: (part: Buffer) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let status: Record<string, unknown> = {}
  stream.on('response', (headers) => (status = headers))
  stream.on('trailers', (trailers) => (status = { ...status, ...trailers }))
  stream.on('data', (part: Buffer) => {
    try {
      onData(part)
    } catch (error) {
      stream.destroy(error instanceof RpcError ? error : new RpcError(RPC.Unknown, String(error), error))
    }
  })
  stream.on('error', (error) => reject(error instanceof RpcError ? error : new RpcError(RPC.Unavailable, error.message, error)))
  stream.on('close', () => reject(new RpcError(RPC.Unavailable, 'the connection was closed')))
  stream.on('end', () => {
    const code = Number(status['grpc-status'] ?? RPC.Unknown)
    if (code === 0) resolve()
    else reject(new RpcError(code, decodeGrpcMessage(String(status['grpc-message'] ?? ''))))
  })
  return promise
}

export class GrpcSocket {
  readonly #path: string
  #session: ClientHttp2Session | undefined

  constructor(path: string) {
    this.#path = path
  }

  async call(method: string, message: Buffer, timeoutMs: number): Promise<Buffer> {
    const stream = this.#begin(method, message, { 'grpc-timeout': `${timeoutMs}m` })
    stream.setTimeout(timeoutMs, () => stream.destroy(new RpcError(RPC.DeadlineExceeded, 'context deadline exceeded')))
    let received: Buffer<ArrayBufferLike> = Buffer.alloc(0)
    await ended(stream, (part) => {
      received = Buffer.concat([received, part])
      if (received.length > MAX_ANSWER_BYTES) throw new RpcError(RPC.Unknown, `an answer of more than ${MAX_ANSWER_BYTES} bytes`)
    })
    try {
      return unframed(received)
    } catch (error) {
      throw new RpcError(RPC.Unknown, String(error), error)
    }
  }

  /** Calls a method that answers with one message after the other, until it ends or the signal aborts; then rejects. */
  async follow(method: string, message: Buffer, onMessage: (message: Buffer) => void, signal: AbortSignal): Promise<never> {
    const stream = this.#begin(method, message)
    const stop = (): void => void stream.destroy()
    signal.addEventListener('abort', stop, { once: true })
    let received: Buffer<ArrayBufferLike> = Buffer.alloc(0)
    try {
      await ended(stream, (part) => {
        received = Buffer.concat([received, part])
        if (received.length > MAX_ANSWER_BYTES) throw new RpcError(RPC.Unknown, `an answer of more than ${MAX_ANSWER_BYTES} bytes`)
        while (received.length >= PREFIX_BYTES && received.length >= PREFIX_BYTES + received.readUInt32BE(1)) {
          onMessage(unframed(received))
          received = received.subarray(PREFIX_BYTES + received.readUInt32BE(1))
        }
      })
      throw new RpcError(RPC.Unavailable, 'the answer has ended')
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  #begin(method: string, message: Buffer, more: Record<string, string> = {}): ClientHttp2Stream {
    const stream = this.#connected().request({
      ':method': 'POST',
      ':path': method,
      ':scheme': 'http',
      ':authority': 'localhost',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...more,
    })
    stream.end(framed(message))
    return stream
  }

  /** A connection that broke is made anew with the next call. */
  #connected(): ClientHttp2Session {
    if (this.#session && !this.#session.closed && !this.#session.destroyed) return this.#session
    const session = connect('http://localhost', { createConnection: () => createConnection(this.#path) })
    // Its streams tell what went wrong.
    session.on('error', () => {})
    session.unref()
    this.#session = session
    return session
  }

  close(): void {
    this.#session?.destroy()
  }
}
