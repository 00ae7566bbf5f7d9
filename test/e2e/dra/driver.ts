/**
 * A DRA driver (v1.DRAPlugin with its registration and v1alpha1.DRAResourceHealth), which runs as a program of its own on the
 * node: a claim becomes a device of the Container Device Interface, with a variable, a file and a device node. Every call is a
 * line in `calls.jsonl`; devices are as healthy as `health` says, whenever that file changes.
 *
 *     node driver.mjs DRIVER FOLDER PLUGINS_REGISTRY
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, watchFile, writeFileSync } from 'node:fs'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import { join } from 'node:path'
import { serveGrpc } from '../../../src/kubelet/grpc/server.ts'
import { framed, unframed } from '../../../src/kubelet/grpc/socket.ts'
import { Decoded, encodeMessage, type Message } from '../../../src/kubelet/grpc/wire.ts'

const [driver = '', folder = '', registry = ''] = process.argv.slice(2)
const SOCKET = join(folder, 'dra.sock')
const CDI_FOLDER = '/var/run/cdi'
const DEVICE = { pool: 'bench', name: 'led-0' }
const KIND = `${driver}/claim`

const descriptionOf = (uid: string): string => join(CDI_FOLDER, `${driver}-${uid}.json`)

function prepare(claim: Decoded): Message {
  const [uid, name] = [claim.text(2), claim.text(3)]
  const file = join(folder, `${uid}.txt`)
  writeFileSync(file, `${name}\n`)
  const containerEdits = {
    env: [`CLAIM=${name}`],
    mounts: [{ hostPath: file, containerPath: '/etc/claim', options: ['ro', 'bind'] }],
    deviceNodes: [{ path: '/dev/led', hostPath: '/dev/zero' }],
  }
  mkdirSync(CDI_FOLDER, { recursive: true })
  writeFileSync(descriptionOf(uid), JSON.stringify({ cdiVersion: '0.5.0', kind: KIND, devices: [{ name: uid, containerEdits }] }))
  return { 1: [{ 2: DEVICE.pool, 3: DEVICE.name, 4: [`${KIND}=${uid}`] }] }
}

function unprepare(claim: Decoded): Message {
  for (const file of [descriptionOf(claim.text(2)), join(folder, `${claim.text(2)}.txt`)]) rmSync(file, { force: true })
  return {}
}

const METHODS: Readonly<Record<string, (claim: Decoded) => Message>> = { NodePrepareResources: prepare, NodeUnprepareResources: unprepare }

function health(): Buffer {
  const file = join(folder, 'health')
  const [state = 'healthy', message = ''] = existsSync(file) ? readFileSync(file, 'utf8').trim().split(': ') : []
  const number = ['unknown', 'healthy', 'unhealthy'].indexOf(state)
  return framed(encodeMessage({ 1: [{ 1: { 1: DEVICE.pool, 2: DEVICE.name }, 2: number, 4: 3600, 5: message }] }))
}

async function answer(stream: ServerHttp2Stream, method: string): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part)
  const request = new Decoded(unframed(Buffer.concat(parts)))
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  if (method === 'NodeWatchResources') {
    stream.write(health())
    watchFile(join(folder, 'health'), { interval: 100 }, () => void (stream.destroyed || stream.write(health())))
    return
  }
  const claims = request.messages(1).map((claim) => {
    appendFileSync(join(folder, 'calls.jsonl'), `${JSON.stringify({ method, uid: claim.text(2), name: claim.text(3) })}\n`)
    return { 1: claim.text(2), 2: METHODS[method]?.(claim) ?? {} }
  })
  stream.end(framed(encodeMessage({ 1: claims })))
}

rmSync(SOCKET, { force: true })
const server = createServer()
server.on('stream', (stream: ServerHttp2Stream, headers) => {
  stream.on('error', () => {})
  answer(stream, String(headers[':path']).split('/').at(-1) ?? '').catch((error: unknown) => stream.destroy(error as Error))
})
server.listen(SOCKET)
const announced = join(registry, `${driver}-reg.sock`)
await serveGrpc(announced, {
  '/pluginregistration.Registration/GetInfo': async () => ({
    1: 'DRAPlugin',
    2: driver,
    3: SOCKET,
    4: ['v1.DRAPlugin', 'v1alpha1.DRAResourceHealth'],
  }),
  '/pluginregistration.Registration/NotifyRegistrationStatus': async () => ({}),
})
process.on('SIGTERM', () => {
  rmSync(announced, { force: true })
  process.exit(0)
})
