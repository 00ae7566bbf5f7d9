/**
 * Unary gRPC calls over a unix socket, on Node's own HTTP/2: the node's bundle carries no gRPC package, which would be a
 * good part of its size for a few calls of storage drivers.
 */
import { connect, type ClientHttp2Session } from 'node:http2'
import { createConnection } from 'node:net'
import { decodeGrpcMessage } from '../grpcMessage.ts'

/** An answer other than OK; code and text are the server's. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: number

  constructor(code: number, details: string, cause?: unknown) {
    super(`rpc error: code = ${CODES[code] ?? code} desc = ${details}`, { cause })
    this.code = code
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
const UNKNOWN = 2
const DEADLINE_EXCEEDED = 4
const UNAVAILABLE = 14
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

export class GrpcSocket {
  readonly #path: string
  #session: ClientHttp2Session | undefined

  constructor(path: string) {
    this.#path = path
  }

  async call(method: string, message: Buffer, timeoutMs: number): Promise<Buffer> {
    const session = this.#connected()
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    const stream = session.request({
      ':method': 'POST',
      ':path': method,
      ':scheme': 'http',
      ':authority': 'localhost',
      'content-type': 'application/grpc',
      'grpc-timeout': `${timeoutMs}m`,
      te: 'trailers',
    })
    let status: Record<string, unknown> = {}
    const parts: Buffer[] = []
    let sizeBytes = 0
    stream.on('response', (headers) => (status = headers))
    stream.on('trailers', (trailers) => (status = { ...status, ...trailers }))
    stream.on('data', (part: Buffer) => {
      sizeBytes += part.length
      if (sizeBytes > MAX_ANSWER_BYTES) stream.destroy(new RpcError(UNKNOWN, `an answer of more than ${MAX_ANSWER_BYTES} bytes`))
      else parts.push(part)
    })
    stream.setTimeout(timeoutMs, () => stream.destroy(new RpcError(DEADLINE_EXCEEDED, 'context deadline exceeded')))
    stream.on('error', (error) => reject(error instanceof RpcError ? error : new RpcError(UNAVAILABLE, error.message, error)))
    stream.on('close', () => reject(new RpcError(UNAVAILABLE, 'the connection was closed')))
    stream.on('end', () => {
      const code = Number(status['grpc-status'] ?? UNKNOWN)
      if (code !== 0) return reject(new RpcError(code, decodeGrpcMessage(String(status['grpc-message'] ?? ''))))
      try {
        resolve(unframed(Buffer.concat(parts)))
      } catch (error) {
        reject(new RpcError(UNKNOWN, String(error), error))
      }
    })
    stream.end(framed(message))
    return promise
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
