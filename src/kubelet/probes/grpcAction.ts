/** The gRPC health check (grpc.health.v1.Health/Check) over plain HTTP/2, as small as it can be. */
import { connect } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { decodeGrpcMessage } from '../grpc/message.ts'
import { failure, success } from './outcome.ts'
import type { ProbeOutcome } from './outcome.ts'

const SERVING = 1
const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
const GRPC_UNIMPLEMENTED = '12'
const MAX_ANSWER_BYTES = 4096

/** One length-prefixed message: HealthCheckRequest { service = 1 }. */
export function encodeHealthCheckRequest(service: string): Buffer {
  const name = Buffer.from(service)
  const length: number[] = []
  for (let rest = name.length; ; rest >>>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest)
    if (rest <= 0x7f) break
  }
  const message = service === '' ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...length]), name])
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** HealthCheckResponse { status = 1 }; an absent field is 0. */
export function decodeHealthCheckResponse(frame: Buffer): number {
  const message = frame.subarray(5)
  return message[0] === 0x08 ? (message[1] ?? 0) : 0
}

interface Answer {
  grpcStatus: string
  grpcMessage: string
  data: Buffer
}

function check(session: ClientHttp2Session, authority: string, service: string, userAgent: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    session.on('error', reject)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      ':scheme': 'http',
      ':authority': authority,
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': userAgent,
    })
    let grpcStatus = ''
    let grpcMessage = ''
    let data = Buffer.alloc(0)
    const take = (headers: Record<string, unknown>): void => {
      grpcStatus = String(headers['grpc-status'] ?? grpcStatus)
      grpcMessage = decodeGrpcMessage(String(headers['grpc-message'] ?? grpcMessage))
    }
    stream.on('response', take)
    stream.on('trailers', take)
    stream.on('data', (chunk: Buffer) => {
      if (data.length < MAX_ANSWER_BYTES) data = Buffer.concat([data, chunk])
    })
    stream.on('end', () => resolve({ grpcStatus, grpcMessage, data }))
    stream.on('error', reject)
    stream.end(encodeHealthCheckRequest(service))
  })
}

export async function probeGrpc(
  host: string,
  port: number,
  service: string,
  timeoutSeconds: number,
  userAgent: string,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const session = connect(`http://${authority}`)
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000)
  const either = AbortSignal.any([timeout, signal])
  const onAbort = (): void => session.destroy(new Error(`timeout: failed to connect service "${authority}" within ${timeoutSeconds}s`))
  either.addEventListener('abort', onAbort, { once: true })
  try {
    const { grpcStatus, grpcMessage, data } = await check(session, authority, service, userAgent)
    if (grpcStatus === GRPC_UNIMPLEMENTED)
      return failure(`error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${grpcMessage}`)
    if (grpcStatus !== '0') return failure(`error: health rpc probe failed: ${grpcMessage || `code ${grpcStatus}`}`)
    const status = decodeHealthCheckResponse(data)
    return status === SERVING
      ? success('service healthy')
      : failure(`service unhealthy (responded with "${STATUS_NAMES[status] ?? status}")`)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    return failure(`error: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    either.removeEventListener('abort', onAbort)
    session.destroy()
  }
}
