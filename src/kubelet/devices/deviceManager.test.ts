import assert from 'node:assert/strict'
import { mkdtemp, readFile } from 'node:fs/promises'
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { framed, GrpcSocket, unframed } from '../grpc/socket.ts'
import { Decoded, encodeMessage, type Message } from '../grpc/wire.ts'
import { DeviceManager } from './deviceManager.ts'
import { servePodResources } from './podResources.ts'

const RESOURCE = 'example.com/led'
const CALL_MS = 5000

/** A plugin in the same process, behind a real socket: it offers devices, and prefers those with the highest names. */
class Plugin {
  readonly asked: string[] = []
  readonly #server: Http2Server = createServer()
  readonly #sessions = new Set<ServerHttp2Session>()
  #following: ServerHttp2Stream | undefined
  #devices: Message[]

  constructor(devices: readonly string[]) {
    this.#devices = devices.map((id) => ({ 1: id, 2: 'Healthy' }))
    this.#server.on('session', (session) => this.#sessions.add(session))
    this.#server.on(
      'stream',
      (stream: ServerHttp2Stream, headers) => void this.#answer(stream, String(headers[':path']).split('/').at(-1) ?? ''),
    )
  }

  async listen(path: string): Promise<void> {
    this.#server.listen(path)
    await once(this.#server, 'listening')
  }

  setHealth(id: string, health: string): void {
    this.#devices = this.#devices.map((device) => (device[1] === id ? { 1: id, 2: health } : device))
    this.#following?.write(framed(encodeMessage({ 1: this.#devices as { [field: number]: string }[] })))
  }

  close(): void {
    this.#server.close()
    for (const session of this.#sessions) session.destroy()
  }

  async #answer(stream: ServerHttp2Stream, method: string): Promise<void> {
    stream.on('error', () => {})
    const parts: Buffer[] = []
    for await (const part of stream as AsyncIterable<Buffer>) parts.push(part)
    const request = new Decoded(unframed(Buffer.concat(parts)))
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    if (method === 'ListAndWatch') {
      this.#following = stream
      stream.write(framed(encodeMessage({ 1: this.#devices as { [field: number]: string }[] })))
      return
    }
    const [ask] = method === 'PreStartContainer' ? [] : request.messages(1)
    const ids = method === 'PreStartContainer' ? request.texts(1) : (ask?.texts(1) ?? [])
    this.asked.push(`${method} ${ids.join()}`)
    const last = [...ids].sort().slice(-(ask?.number(3) ?? 0))
    const grant = { 1: new Map([['LEDS', ids.join()]]), 3: ids.map((id) => ({ 1: `/dev/${id}`, 2: `/dev/null`, 3: 'rw' })) }
    const replies: Record<string, Message> = { GetPreferredAllocation: { 1: [{ 1: last }] }, Allocate: { 1: [grant as Message] } }
    stream.end(framed(encodeMessage(replies[method] ?? {})))
  }
}

interface World {
  manager: DeviceManager
  directory: string
  clock: FakeClock
  /** Resolves with the next change of what the node has. */
  changed(): Promise<void>
  register(request: Message): Promise<unknown>
  stop(): void
}

async function world(t: TestContext, given?: string): Promise<World> {
  const directory = given ?? (await mkdtemp(join(tmpdir(), 'devices-')))
  const over = new AbortController()
  const clock = new FakeClock()
  let change = Promise.withResolvers<void>()
  const onChange = (): void => {
    change.resolve()
    change = Promise.withResolvers()
  }
  const manager = new DeviceManager({ clock, log: silentLogger, signal: over.signal, directory, onChange })
  await manager.begin()
  void manager.run()
  t.after(() => over.abort())
  const socket = new GrpcSocket(join(directory, 'kubelet.sock'))
  t.after(() => socket.close())
  const register = async (request: Message): Promise<unknown> => {
    for (;;) {
      try {
        return await socket.call('/v1beta1.Registration/Register', encodeMessage(request), CALL_MS)
      } catch (error) {
        // It listens in a moment.
        if (!String(error).includes('ENOENT')) throw error
      }
    }
  }
  return { manager, directory, clock, changed: () => change.promise, register, stop: () => over.abort() }
}

async function plugged(t: TestContext, one: World, options: Message = {}, devices = ['a', 'b', 'c']): Promise<Plugin> {
  const plugin = new Plugin(devices)
  await plugin.listen(join(one.directory, 'led.sock'))
  t.after(() => plugin.close())
  const changed = one.changed()
  await one.register({ 1: 'v1beta1', 2: 'led.sock', 3: RESOURCE, 4: options })
  await changed
  return plugin
}

const container = (name: string, count: number, more: Partial<Container> = {}): Container =>
  ({ name, image: 'i', resources: { limits: { [RESOURCE]: `${count}` } }, ...more }) as Container
const pod = (uid: string, containers: Container[], initContainers: Container[] = []): Pod =>
  ({ metadata: { name: uid, namespace: 'n', uid }, spec: { containers, initContainers } }) as unknown as Pod
const idsOf = (manager: DeviceManager, uid: string): string[] =>
  manager.claimsOf(uid).map(({ container: name, ids }) => `${name}=${ids.join()}`)

test('devices are counted, given and taken back; a plugin that goes leaves them unhealthy, then none', async (t) => {
  const one = await world(t)
  const plugin = await plugged(t, one)
  const { manager } = one
  const amounts = (capacity: string, allocatable: string): object => ({
    capacity: { [RESOURCE]: capacity },
    allocatable: { [RESOURCE]: allocatable },
  })
  assert.deepEqual(manager.amounts, amounts('3', '3'))
  assert.equal(await manager.allocate(pod('p', [container('x', 2)])), undefined)
  assert.deepEqual(idsOf(manager, 'p'), ['x=a,b'])
  assert.deepEqual(await manager.allocate(pod('q', [container('x', 2)])), {
    reason: 'UnexpectedAdmissionError',
    message: `Allocate failed due to requested number of devices unavailable for ${RESOURCE}. Requested: 2, Available: 1, which is unexpected`,
  })
  const [grant] = await manager.grants('p', 'x')
  assert.deepEqual(
    [grant?.env, grant?.devices[1]],
    [{ LEDS: 'a,b' }, { containerPath: '/dev/b', hostPath: '/dev/null', permissions: 'rw' }],
  )
  const changed = one.changed()
  plugin.setHealth('c', 'Unhealthy')
  await changed
  assert.deepEqual(manager.amounts, amounts('3', '2'))
  const other = one.changed()
  plugin.setHealth('b', 'Unhealthy')
  await other
  const health = [
    { resourceID: 'a', health: 'Healthy' },
    { resourceID: 'b', health: 'Unhealthy' },
  ]
  assert.deepEqual(manager.statusOf('p', 'x'), [{ name: RESOURCE, resources: health }])
  const back = one.changed()
  plugin.setHealth('b', 'Healthy')
  await back
  await manager.release('p')
  assert.equal(await manager.allocate(pod('q', [container('x', 2)])), undefined)
  const gone = one.changed()
  plugin.close()
  await gone
  assert.deepEqual(manager.amounts, amounts('3', '0'))
  assert.match((await manager.allocate(pod('r', [container('x', 1)])))?.message ?? '', /no healthy devices present/)
  await one.clock.advance(5 * 60_000)
  assert.deepEqual(manager.amounts, amounts('0', '0'))
})

test('init containers leave their devices to those after them, sidecars do not', async (t) => {
  const one = await world(t)
  await plugged(t, one)
  const inits = [container('init', 2), container('side', 1, { restartPolicy: 'Always' })]
  assert.equal(await one.manager.allocate(pod('p', [container('x', 2)], inits)), undefined)
  assert.deepEqual(idsOf(one.manager, 'p'), ['init=a,b', 'side=a', 'x=b,c'])
})

test('a plugin may prefer some, and is told before a container starts', async (t) => {
  const one = await world(t)
  const plugin = await plugged(t, one, { 1: true, 2: true })
  await one.manager.allocate(pod('p', [container('x', 2)]))
  await one.manager.grants('p', 'x')
  assert.deepEqual(plugin.asked, ['GetPreferredAllocation a,b,c', 'Allocate b,c', 'PreStartContainer b,c'])
})

test('a kubelet that begins anew knows what was given, and tells of none until the plugin is back', async (t) => {
  const first = await world(t)
  await plugged(t, first)
  await first.manager.allocate(pod('p', [container('x', 1)]))
  await first.manager.allocate(pod('q', [container('x', 1)]))
  const record = JSON.parse(await readFile(join(first.directory, 'kubelet_internal_checkpoint'), 'utf8')) as { Data: object }
  assert.partialDeepStrictEqual(record.Data, {
    PodDeviceEntries: [{ PodUID: 'p', DeviceIDs: { '-1': ['a'] } }],
    RegisteredDevices: { [RESOURCE]: ['a', 'b', 'c'] },
  })
  first.stop()
  const second = await world(t, first.directory)
  assert.deepEqual(second.manager.amounts.capacity, { [RESOURCE]: '0' })
  await second.manager.releaseAllBut(new Set(['p']))
  await plugged(t, second)
  assert.equal((await second.manager.grants('p', 'x')).length, 1)
  await second.manager.allocate(pod('r', [container('x', 2)]))
  assert.deepEqual(idsOf(second.manager, 'r'), ['x=b,c'])
})

test('who announces himself wrongly is told so', async (t) => {
  const one = await world(t)
  const refused = (message: Message, why: RegExp): Promise<void> => assert.rejects(one.register(message), why)
  await refused({ 1: 'v1', 2: 'x.sock', 3: RESOURCE }, /requested API version "v1" is not supported by kubelet/)
  await refused({ 1: 'v1beta1', 2: 'x.sock', 3: 'cpu' }, /the ResourceName "cpu" is invalid/)
  await refused({ 1: 'v1beta1', 2: '../x.sock', 3: RESOURCE }, /is not a file of/)
})

test('monitors are told which pod has which', async (t) => {
  const one = await world(t)
  await plugged(t, one)
  const pods = [pod('p', [container('x', 2)])]
  await one.manager.allocate(pods[0] as Pod)
  const over = new AbortController()
  t.after(() => over.abort())
  const directory = join(one.directory, 'pod-resources')
  void servePodResources({
    directory,
    devices: one.manager,
    claims: { devicesByClaim: () => new Map() },
    pods: () => pods,
    signal: over.signal,
  })
  const socket = new GrpcSocket(join(directory, 'kubelet.sock'))
  t.after(() => socket.close())
  const ask = async (method: string, message: Message = {}): Promise<Decoded> => {
    for (;;) {
      try {
        return new Decoded(await socket.call(`/v1.PodResourcesLister/${method}`, encodeMessage(message), CALL_MS))
      } catch (error) {
        if (!String(error).includes('ENOENT')) throw error
      }
    }
  }
  const [listed] = (await ask('List')).messages(1)
  const [devices] = listed?.messages(3)[0]?.messages(2) ?? []
  assert.deepEqual([listed?.text(1), devices?.text(1), devices?.texts(2)], ['p', RESOURCE, ['a', 'b']])
  assert.equal((await ask('Get', { 1: 'p', 2: 'n' })).messages(1)[0]?.text(2), 'n')
  await assert.rejects(ask('Get', { 1: 'nobody', 2: 'n' }), /pod nobody in namespace n not found/)
  assert.deepEqual((await ask('GetAllocatableResources')).messages(1)[0]?.texts(2), ['a', 'b', 'c'])
})
