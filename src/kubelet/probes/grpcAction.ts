/** The gRPC health check (grpc.health.v1.Health/Check) over plain HTTP/2, as small as it can be. */
import { once } from 'node:events'
import { connect } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { hostPort } from '../../base/ipFamily.ts'
import { goDuration } from '../containers/goDuration.ts'
import { decodeGrpcMessage } from '../grpc/message.ts'
import { RPC, RpcError } from '../grpc/socket.ts'
import { failure, success } from './outcome.ts'
import type { ProbeOutcome } from './outcome.ts'

const SERVING = 1
const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
const MAX_ANSWER_BYTES = 4096
/** Until the next try to connect. */
const RECONNECT_MS = 100

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

/** Tries until it is connected, or until the signal says that it is enough. */
async function connected(authority: string, signal: AbortSignal): Promise<ClientHttp2Session> {
  for (;;) {
    const session = connect(`http://${authority}`)
    try {
      await once(session, 'connect', { signal })
      return session
    } catch {
      session.on('error', () => {})
      session.destroy()
      signal.throwIfAborted()
      await sleep(RECONNECT_MS, undefined, { signal })
    }
  }
}

/** The status of the service; throws RpcError when that is not what is answered. */
function check(session: ClientHttp2Session, authority: string, service: string, userAgent: string, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const broken = (error: Error): void => reject(signal.aborted ? error : new RpcError(RPC.Unavailable, error.message, error))
    session.on('error', broken)
    const stream = session.request(
      {
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        ':scheme': 'http',
        ':authority': authority,
        'content-type': 'application/grpc',
        te: 'trailers',
        'user-agent': userAgent,
      },
      { signal },
    )
    let [code, message, data] = [RPC.Unknown as number, '', Buffer.alloc(0)]
    const take = (headers: Record<string, unknown>): void => {
      code = Number(headers['grpc-status'] ?? code)
      message = decodeGrpcMessage(String(headers['grpc-message'] ?? message))
    }
    stream.on('response', take)
    stream.on('trailers', take)
    stream.on('data', (chunk: Buffer) => {
      if (data.length < MAX_ANSWER_BYTES) data = Buffer.concat([data, chunk])
    })
    stream.on('end', () => (code === 0 ? resolve(decodeHealthCheckResponse(data)) : reject(new RpcError(code, message))))
    stream.on('error', broken)
    stream.end(encodeHealthCheckRequest(service))
  })
}

function checkFailure(error: unknown, limit: string): ProbeOutcome {
  if (!(error instanceof RpcError) || error.code === RPC.DeadlineExceeded)
    return failure(`timeout: health rpc did not complete within ${limit}`)
  return error.code === RPC.Unimplemented
    ? failure(`error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}`)
    : failure(`error: health rpc probe failed: ${error.message}`)
}

export async function probeGrpc(
  host: string,
  port: number,
  service: string,
  timeoutSeconds: number,
  userAgent: string,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const authority = hostPort(host, port)
  const limit = goDuration(timeoutSeconds * 1000)
  const either = AbortSignal.any([AbortSignal.timeout(timeoutSeconds * 1000), signal])
  let session: ClientHttp2Session | undefined
  try {
    session = await connected(authority, either)
    const status = await check(session, authority, service, userAgent, either)
    return status === SERVING
      ? success('service healthy')
      : failure(`service unhealthy (responded with "${STATUS_NAMES[status] ?? status}")`)
  } catch (error) {
    signal.throwIfAborted()
    if (!session) return failure(`timeout: failed to connect service "${authority}" within ${limit}: context deadline exceeded`)
    return checkFailure(error, limit)
  } finally {
    session?.destroy()
  }
}
