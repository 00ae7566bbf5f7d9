import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js'
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/kinds/core/v1.ts'
import { nodes, persistentvolumeclaims } from '../../api/kinds/core/v1.ts'
import { csidrivers, csinodes, volumeattachments, type CSIDriver } from '../../api/kinds/storage/v1.ts'
import { systemClock, type Clock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { Client } from '../../client/client.ts'
import { FakeApi } from '../testing/fakeApi.ts'
import { attachmentName } from './attachment.ts'
import { CsiVolumes } from './csiVolumes.ts'
import { ownedByGroup } from './driverSettings.ts'
import { EXPAND_VOLUME, GET_VOLUME_STATS, VOLUME_MOUNT_GROUP } from './driver.ts'
import { CSI_PLUGIN_TYPE, CsiPlugins } from './plugins.ts'
import { PluginRegistry } from '../plugins/pluginRegistry.ts'
import { Decoded, encodeMessage, type Message } from '../grpc/wire.ts'

test('messages come back as they were sent; what is unknown is passed over, what is cut short is refused', () => {
  const map = new Map([
    ['a', 'ü'],
    ['b', ''],
  ])
  const bytes = encodeMessage({ 1: 'text', 2: ['x', 'y'], 3: map, 4: true, 5: 300, 6: { 1: 'in' }, 7: '', 8: false, 17: 2 ** 40 })
  const read = new Decoded(Buffer.concat([bytes, Buffer.from([0x9d, 0x01, 1, 2, 3, 4])]))
  assert.deepEqual(
    [read.text(1), read.texts(2), read.map(3), read.number(4), read.number(5), read.messages(6)[0]?.text(1), read.text(7), read.number(17)],
    ['text', ['x', 'y'], map, 1, 300, 'in', '', 2 ** 40],
  )
  assert.throws(() => new Decoded(bytes.subarray(0, bytes.length - 1)), RangeError)
  assert.throws(() => new Decoded(Buffer.from([0x0a, 0xff])), RangeError)
})

/** A storage driver on a socket, whose volumes are directories; it notes how it was called. */
async function startDriver(t: TestContext, socketPath: string) {
  const calls: [method: string, request: Decoded][] = []
  const notified: string[] = []
  const failing = new Set<string>()
  const supported = [1]
  const server = new Server()
  const answers: Record<string, (request: Decoded) => Promise<Message> | Message> = {
    '/pluginregistration.Registration/GetInfo': () => ({ 1: 'CSIPlugin', 2: 'disks.example.com', 3: socketPath, 4: ['1.0.0'] }),
    '/pluginregistration.Registration/NotifyRegistrationStatus': (request) => {
      notified.push(request.number(1) ? 'registered' : request.text(2))
      return {}
    },
    '/csi.v1.Node/NodeGetInfo': () => ({ 1: 'node-7', 2: 16, 3: { 1: new Map([['example.com/rack', 'r1']]) } }),
    '/csi.v1.Node/NodeGetCapabilities': () => ({ 1: supported.map((rpc) => ({ 1: { 1: rpc } })) }),
    '/csi.v1.Node/NodeExpandVolume': () => ({}),
    '/csi.v1.Node/NodeGetVolumeStats': () => ({
      1: [
        { 1: 70, 2: 100, 3: 30, 4: 1 },
        { 1: 8, 2: 10, 3: 2, 4: 2 },
      ],
    }),
    '/csi.v1.Node/NodeStageVolume': () => ({}),
    '/csi.v1.Node/NodeUnstageVolume': () => ({}),
    '/csi.v1.Node/NodePublishVolume': async (request) => {
      await mkdir(request.text(4), { recursive: true })
      return {}
    },
    '/csi.v1.Node/NodeUnpublishVolume': async (request) => {
      await rm(request.text(2), { recursive: true })
      return {}
    },
  }
  const handlers: Record<string, handleUnaryCall<Decoded, Message>> = {}
  const methods = Object.entries(answers).map(([path, answer]) => {
    handlers[path] = (call, callback) => {
      calls.push([path.split('/').at(-1) ?? '', call.request])
      const method = path.split('/').at(-1) ?? ''
      const reply = async (): Promise<void> =>
        failing.has(method) ? callback({ code: 13, details: 'no space: 7 %' }) : callback(null, await answer(call.request))
      void reply()
    }
    const codec = {
      requestSerialize: (value: Decoded) => Buffer.from(String(value)),
      requestDeserialize: (bytes: Buffer) => new Decoded(bytes),
      responseSerialize: (value: Message) => encodeMessage(value),
      responseDeserialize: (bytes: Buffer): Message => ({ 1: bytes.toString() }),
    }
    return [path, { path, requestStream: false, responseStream: false, ...codec }] as const
  })
  server.addService(Object.fromEntries(methods), handlers)
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve())),
  )
  t.after(() => server.forceShutdown())
  return { calls, notified, failing, supported }
}

async function eventually(what: string, done: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (done()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.fail(`never happened: ${what}`)
}

const meta = (name: string) => ({ name, uid: name, creationTimestamp: '', resourceVersion: '' })

test('a driver announces itself, stages and publishes a volume, and takes it away after the last pod', async (t) => {
  const rootDir = await mkdtemp(join(tmpdir(), 'csi-'))
  t.after(() => rm(rootDir, { recursive: true, force: true }))
  const registryDirectory = join(rootDir, 'plugins_registry')
  await mkdir(registryDirectory)
  const api = new FakeApi()
  const client = new Client(api)
  api.put(nodes, { metadata: meta('n'), spec: {} })
  const abort = new AbortController()
  const plugins = new CsiPlugins({ client, signal: abort.signal, nodeName: 'n' })
  const registry = new PluginRegistry({
    clock: systemClock,
    log: silentLogger,
    signal: abort.signal,
    directory: registryDirectory,
    kinds: { [CSI_PLUGIN_TYPE]: plugins },
  })
  const running = registry.run()
  t.after(async () => {
    abort.abort()
    await running
  })
  await writeFile(join(registryDirectory, 'no-socket'), '')
  const { calls, notified, failing } = await startDriver(t, join(registryDirectory, 'disks.sock'))
  await eventually('registered', () => notified.includes('registered'))
  assert.deepEqual(api.get(csinodes, '', 'n')?.spec.drivers, [
    { name: 'disks.example.com', nodeID: 'node-7', topologyKeys: ['example.com/rack'], allocatable: { count: 16 } },
  ])
  assert.equal(api.get(nodes, '', 'n')?.metadata.labels?.['example.com/rack'], 'r1')

  const secret = async (_namespace: string, name: string) => ({ metadata: { ...meta(name), namespace: 's' }, data: { key: 'dmFsdWU=' } })
  const options = { client, plugins, rootDir, nodeName: 'n', secret, clock: systemClock }
  const volumes = new CsiVolumes(options)
  const volume: PersistentVolume = {
    metadata: meta('pv'),
    spec: {
      accessModes: ['ReadWriteMany'],
      mountOptions: ['noatime'],
      csi: {
        driver: 'disks.example.com',
        volumeHandle: 'v1',
        fsType: 'ext4',
        volumeAttributes: { size: '1' },
        nodeStageSecretRef: { name: 'x', namespace: 's' },
      },
    },
  }
  const pod = (name: string): Pod => ({ metadata: { ...meta(name), namespace: 'default' }, spec: { containers: [] } })
  const how = { readOnly: false, block: false, claim: undefined }
  const publish = async (name: string, by = volumes): Promise<string> =>
    (await by.publishPersistent(pod(name), 'data', volume, how, abort.signal)).hostPath
  let nowMs = 0
  const hasty: Clock = { ...systemClock, now: () => (nowMs += 1000), sleep: async () => {} }
  await assert.rejects(publish('a', new CsiVolumes({ ...options, clock: hasty })), /is not attached yet/)
  const attachment = attachmentName('v1', 'disks.example.com', 'n')
  const source = { persistentVolumeName: 'pv' }
  api.put(volumeattachments, {
    metadata: meta(attachment),
    spec: { attacher: 'disks.example.com', nodeName: 'n', source },
    status: { attached: true, attachmentMetadata: { device: '/dev/x' } },
  })
  failing.add('NodeStageVolume')
  await assert.rejects(publish('a'), { step: 'MountVolume.MountDevice failed', message: 'rpc error: code = Internal desc = no space: 7 %' })
  failing.clear()
  calls.length = 0
  const target = await publish('a')
  assert.ok((await stat(target)).isDirectory())
  const called = (method: string): Decoded[] => calls.filter(([name]) => name === method).map(([, request]) => request)
  const [staged] = called('NodeStageVolume')
  assert.deepEqual(
    [staged?.text(1), staged?.map(2).get('device'), staged?.map(5).get('key'), staged?.map(6).get('size')],
    ['v1', '/dev/x', 'value', '1'],
  )
  const capability = staged?.messages(4)[0]
  assert.deepEqual(
    [capability?.messages(2)[0]?.text(1), capability?.messages(2)[0]?.texts(2), capability?.messages(3)[0]?.number(1)],
    ['ext4', ['noatime'], 5],
  )
  assert.deepEqual([called('NodePublishVolume')[0]?.text(3), called('NodePublishVolume')[0]?.text(4)], [staged?.text(3), target])

  await publish('b')
  await volumes.tearDown('a')
  assert.equal(called('NodeUnstageVolume').length, 0, 'another pod has it')
  // A kubelet that starts anew knows no more than what is on the disk.
  await new CsiVolumes(options).tearDown('b')
  assert.deepEqual([called('NodeUnpublishVolume').length, called('NodeUnstageVolume')[0]?.text(2)], [2, staged?.text(3)])

  api.put(csidrivers, {
    metadata: meta('disks.example.com'),
    spec: { attachRequired: false, podInfoOnMount: true, volumeLifecycleModes: ['Ephemeral'] },
  })
  await volumes.publishInline(pod('c'), { name: 'scratch', csi: { driver: 'disks.example.com' } }, abort.signal)
  const context = called('NodePublishVolume').at(-1)?.map(8)
  assert.deepEqual([context?.get('csi.storage.k8s.io/pod.name'), context?.get('csi.storage.k8s.io/ephemeral')], ['c', 'true'])

  assert.deepEqual(await volumes.inUse(), [`kubernetes.io/csi/disks.example.com^${called('NodePublishVolume').at(-1)?.text(1)}`])
  await volumes.tearDown('c')
  assert.deepEqual(await volumes.inUse(), [])

  await rm(join(registryDirectory, 'disks.sock'))
  await eventually('gone', () => api.get(csinodes, '', 'n')?.spec.drivers.length === 0)
  const missing = 'driver name disks.example.com not found in the list of registered CSI drivers'
  assert.throws(() => plugins.driver('disks.example.com'), { message: missing })
  await assert.rejects(publish('late', new CsiVolumes(options)), {
    step: 'MountVolume.MountDevice failed',
    message: `kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: ${missing}`,
  })
  await assert.rejects(volumes.publishPersistent(pod('late'), 'data', volume, { ...how, block: true }, abort.signal), {
    step: 'MapVolume.SetUpDevice failed',
    message: `kubernetes.io/csi: blockMapper.SetUpDevice failed to get CSI client: ${missing}`,
  })
  await assert.rejects(volumes.publishInline(pod('late'), { name: 'd', csi: { driver: 'disks.example.com' } }, abort.signal), {
    step: 'MountVolume.SetUp failed',
    message: `kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: ${missing}`,
  })
})

test('a driver is told of tokens, gets devices and groups, is called again, and grows what was made larger', async (t) => {
  const rootDir = await mkdtemp(join(tmpdir(), 'csi-'))
  t.after(() => rm(rootDir, { recursive: true, force: true }))
  const registryDirectory = join(rootDir, 'plugins_registry')
  await mkdir(registryDirectory)
  const api = new FakeApi()
  const client = new Client(api)
  api.put(nodes, { metadata: meta('n'), spec: {} })
  const abort = new AbortController()
  const plugins = new CsiPlugins({ client, signal: abort.signal, nodeName: 'n' })
  const registry = new PluginRegistry({
    clock: systemClock,
    log: silentLogger,
    signal: abort.signal,
    directory: registryDirectory,
    kinds: { [CSI_PLUGIN_TYPE]: plugins },
  })
  const running = registry.run()
  t.after(async () => {
    abort.abort()
    await running
  })
  const { calls, notified, supported } = await startDriver(t, join(registryDirectory, 'disks.sock'))
  await eventually('registered', () => notified.includes('registered'))
  supported.push(EXPAND_VOLUME)
  const called = (method: string): Decoded[] => calls.filter(([name]) => name === method).map(([, request]) => request)
  const driver: CSIDriver = {
    metadata: meta('disks.example.com'),
    spec: {
      attachRequired: false,
      fsGroupPolicy: 'File',
      tokenRequests: [{ audience: 'vault', expirationSeconds: 600 }],
      requiresRepublish: true,
    },
  }
  api.put(csidrivers, driver)
  const secret = async () => undefined
  const volumes = new CsiVolumes({ client, plugins, rootDir, nodeName: 'n', clock: systemClock, secret })
  const volume: PersistentVolume = {
    metadata: meta('pv'),
    spec: { capacity: { storage: '2Gi' }, accessModes: ['ReadWriteMany'], csi: { driver: 'disks.example.com', volumeHandle: 'v1' } },
  }
  const claim: PersistentVolumeClaim = {
    metadata: { ...meta('claim'), namespace: 'default' },
    spec: {},
    status: {
      capacity: { storage: '1Gi' },
      conditions: [{ type: 'FileSystemResizePending', status: 'True' }],
      allocatedResourceStatuses: { storage: 'NodeResizePending' },
    },
  }
  api.put(persistentvolumeclaims, claim)
  const pod: Pod = {
    metadata: { ...meta('a'), namespace: 'default' },
    spec: { containers: [], serviceAccountName: 'robot', securityContext: { fsGroup: 42 } },
  }
  const how = { readOnly: false, block: false, claim }
  const first = await volumes.publishPersistent(pod, 'data', volume, how, abort.signal)
  assert.equal(first.toGroup, true)
  assert.ok(first.againAtMs !== undefined)
  const told = called('NodePublishVolume')[0]?.map(8).get('csi.storage.k8s.io/serviceAccount.tokens')
  assert.deepEqual(Object.keys(JSON.parse(told ?? '{}') as object), ['vault'])
  assert.deepEqual(
    [called('NodeExpandVolume')[0]?.text(2), called('NodeExpandVolume')[0]?.messages(3)[0]?.number(1)],
    [first.hostPath, 2 * 2 ** 30],
  )
  assert.equal(api.get(persistentvolumeclaims, 'default', 'claim')?.status?.capacity?.['storage'], '2Gi')

  assert.equal(await volumes.space('a', 'data', abort.signal), undefined, 'the driver does not count')
  supported.push(GET_VOLUME_STATS)
  assert.deepEqual(await volumes.space('a', 'data', abort.signal), {
    capacityBytes: 100,
    availableBytes: 70,
    usedBytes: 30,
    inodes: 10,
    inodesFree: 8,
    inodesUsed: 2,
  })
  const [asked] = called('NodeGetVolumeStats')
  assert.deepEqual([asked?.text(1), asked?.text(2)], ['v1', first.hostPath])
  assert.equal(await volumes.space('a', 'other', abort.signal), undefined)

  const grown = { ...claim, status: { capacity: { storage: '2Gi' } } }
  supported.push(VOLUME_MOUNT_GROUP)
  const again = await volumes.publishPersistent(pod, 'data', volume, { ...how, claim: grown }, abort.signal)
  assert.equal(again.toGroup, false, 'the driver did it')
  assert.deepEqual([called('NodePublishVolume').length, called('NodeExpandVolume').length], [2, 1])
  assert.equal(called('NodePublishVolume')[1]?.messages(5)[0]?.messages(2)[0]?.text(3), '42')

  api.put(csidrivers, { ...driver, spec: { attachRequired: false } })
  await volumes.publishPersistent(pod, 'data', volume, { ...how, claim: grown }, abort.signal)
  assert.equal(called('NodePublishVolume').length, 2, 'once is enough')
  await volumes.publishPersistent(pod, 'device', volume, { ...how, block: true, claim: undefined }, abort.signal)
  const capability = called('NodePublishVolume')[2]?.messages(5)[0]
  assert.deepEqual([capability?.messages(1).length, capability?.messages(2).length], [1, 0])
})

test("who owns the files is the driver's policy", () => {
  const policy = (fsGroupPolicy?: string): CSIDriver => ({ metadata: meta('d'), spec: fsGroupPolicy ? { fsGroupPolicy } : {} })
  assert.deepEqual(
    [
      ownedByGroup(undefined, 'ext4', ['ReadWriteOnce']),
      ownedByGroup(undefined, '', ['ReadWriteOnce']),
      ownedByGroup(undefined, 'ext4', ['ReadWriteMany']),
      ownedByGroup(policy('File'), '', ['ReadWriteMany']),
      ownedByGroup(policy('None'), 'ext4', ['ReadWriteOnce']),
    ],
    [true, false, false, true, false],
  )
})
