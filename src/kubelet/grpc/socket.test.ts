import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { framed, GrpcSocket, unframed } from './socket.ts'

/** A driver that answers every call alike, in its own spelling of gRPC. */
async function driver(t: TestContext, status: string, message: string, body: Buffer = Buffer.alloc(0)): Promise<GrpcSocket> {
  const directory = mkdtempSync(join(tmpdir(), 'grpc-'))
  const path = join(directory, 'csi.sock')
  const server = createServer()
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status, ...(message && { 'grpc-message': message }) }))
    stream.end(body)
  })
  server.listen(path)
  await once(server, 'listening')
  const socket = new GrpcSocket(path)
  t.after(() => {
    socket.close()
    server.close()
    rmSync(directory, { recursive: true })
  })
  return socket
}

const TIMEOUT_MS = 5_000
const call = (socket: GrpcSocket): Promise<Buffer> => socket.call('/csi.v1.Identity/Probe', Buffer.alloc(0), TIMEOUT_MS)

for (const [message, details] of [
  ['no such%20volume', 'no such volume'],
  ['the disk is 100% full', 'the disk is 100% full'],
  ['%ff', '%ff'],
  ['', ''],
] as const)
  test(`a driver's failure, told as ${JSON.stringify(message)}`, async (t) => {
    const socket = await driver(t, '5', message)
    await assert.rejects(call(socket), { name: 'RpcError', code: 5, message: `rpc error: code = NotFound desc = ${details}` })
  })

test('an answer, and what is none', async (t) => {
  assert.deepEqual(await call(await driver(t, '0', '', framed(Buffer.from('abc')))), Buffer.from('abc'))
  await assert.rejects(call(await driver(t, '0', '', Buffer.from('abc'))), /no plain gRPC message/)
  await assert.rejects(call(await driver(t, '0', '', framed(Buffer.from('abc')).subarray(0, 6))), /cut short/)
  await assert.rejects(call(new GrpcSocket('/nowhere/csi.sock')), { code: 14 })
})

test('a frame holds its message', () => assert.deepEqual(unframed(framed(Buffer.from('x'))), Buffer.from('x')))
