/** Unary gRPC methods on a unix socket, on Node's own HTTP/2, for whoever on the node asks or announces itself. */
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { framed, RpcError, RPC, unframed } from './socket.ts'
import { Decoded, encodeMessage, type Message } from './wire.ts'

export type Method = (request: Decoded) => Promise<Message>

const MAX_REQUEST_BYTES = 4 * 2 ** 20

async function receive(stream: ServerHttp2Stream): Promise<Buffer> {
  const parts: Buffer[] = []
  let sizeBytes = 0
  for await (const part of stream as AsyncIterable<Buffer>) {
    sizeBytes += part.length
    if (sizeBytes > MAX_REQUEST_BYTES) throw new RpcError(RPC.ResourceExhausted, `a request of more than ${MAX_REQUEST_BYTES} bytes`)
    parts.push(part)
  }
  return unframed(Buffer.concat(parts))
}

async function answer(stream: ServerHttp2Stream, path: string, methods: Readonly<Record<string, Method>>): Promise<void> {
  let reply: Buffer | undefined
  let trailers: Record<string, string> = { 'grpc-status': '0' }
  try {
    const method = Object.hasOwn(methods, path) ? methods[path] : undefined
    if (!method) throw new RpcError(RPC.Unimplemented, `unknown method ${path}`)
    reply = framed(encodeMessage(await method(new Decoded(await receive(stream)))))
  } catch (error) {
    const [code, details] = error instanceof RpcError ? [error.code, error.details] : [RPC.Unknown, String((error as Error).message)]
    trailers = { 'grpc-status': String(code), 'grpc-message': encodeURIComponent(details) }
  }
  if (stream.destroyed) return
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.end(reply)
}

export interface GrpcServer {
  close(): void
}

/** Answers once it listens. A socket that an earlier process left behind is replaced. */
export async function serveGrpc(path: string, methods: Readonly<Record<string, Method>>): Promise<GrpcServer> {
  await rm(path, { force: true })
  const server = createServer()
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    // Its streams tell what went wrong.
    session.on('error', () => {})
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    // A client that leaves is its own affair.
    stream.on('error', () => {})
    answer(stream, String(headers[':path']), methods).catch(() => stream.destroy())
  })
  server.listen(path)
  await once(server, 'listening')
  return {
    close() {
      server.close()
      for (const session of sessions) session.destroy()
    },
  }
}
