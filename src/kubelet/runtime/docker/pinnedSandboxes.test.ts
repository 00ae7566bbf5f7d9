import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { FakeClock } from '../../../base/clock.ts'
import { silentLogger } from '../../../base/logger.ts'
import type { PodNetwork } from '../../network/podNetwork.ts'
import { containerCreateOptions } from './createOptions.ts'
import type { NamespacePinning } from './namespaces.ts'
import { canBePinned, PinnedSandboxes } from './pinnedSandboxes.ts'
import { ALL_PRIVILEGES } from './privileges.ts'
import { CONTAINER, POD, SANDBOX } from './testConfigs.ts'

const { signal } = new AbortController()

/** The kernel's and the network's part, as sets of what is held. */
function world() {
  const directory = mkdtempSync(join(tmpdir(), 'sandboxes-'))
  const [recordsDirectory, namespacesDirectory] = [join(directory, 'records'), join(directory, 'namespaces')]
  const pinned = new Set<string>()
  const addresses = new Set<string>()
  const failing = { pin: false, mapPorts: false }
  let next = 0
  const pinning: NamespacePinning = {
    async pin(path) {
      if (failing.pin) throw new Error('no namespaces left')
      pinned.add(basename(path))
    },
    unpin: async (path) => void pinned.delete(basename(path)),
    arePinned: async (path) => pinned.has(basename(path)),
    pinnedIn: async () => [...pinned],
  }
  const network: PodNetwork = {
    recover: async () => {},
    reserve() {
      addresses.add(`10.0.0.${++next}`)
      return [`10.0.0.${next}`]
    },
    attach: async () => {},
    shape: async () => {},
    mapPorts: async () => {
      if (failing.mapPorts) throw new Error('the port is taken')
    },
    detach: async (ips) => ips.forEach((ip) => addresses.delete(ip)),
  }
  const clock = new FakeClock()
  const start = (): PinnedSandboxes =>
    new PinnedSandboxes({ network, log: silentLogger, clock, recordsDirectory, namespacesDirectory, pinning })
  return { start, clock, pinned, addresses, failing, recordsDirectory }
}

test('what asks for more than namespaces of its own is held by a container', () => {
  const changes = [{}, { pidMode: 'node' }, { pidMode: 'pod' }, { network: 'node' }, { ipcMode: 'node' }, { sysctls: { a: '1' } }] as const
  assert.deepEqual(
    changes.map((change) => canBePinned({ ...SANDBOX, ...change })),
    [true, true, false, false, false, false],
  )
})

test('a container joins what is pinned, with its own host name and the shared memory', () => {
  const pinned = { directory: '/run/sandboxes/S', hostname: 'web-0' }
  const host = { privileges: ALL_PRIVILEGES, logs: { maxSizeBytes: 2 ** 20, maxFiles: 2 } }
  const made = containerCreateOptions(POD, { ...SANDBOX, id: 'S', pinned }, CONTAINER, host)
  const { Runtime, NetworkMode, IpcMode, Mounts } = made.HostConfig ?? {}
  assert.deepEqual(
    [made.Hostname, made.NetworkDisabled, Runtime, NetworkMode, IpcMode, Mounts?.map(({ Source, Target }) => [Source, Target])],
    ['web-0', true, 'pod', 'none', 'private', [['/run/sandboxes/S/shm', '/dev/shm']]],
  )
  const mounts = [{ hostPath: '/own', containerPath: '/dev/shm/', readOnly: false, propagation: 'None' as const }]
  const own = containerCreateOptions(POD, { ...SANDBOX, id: 'S', pinned }, { ...CONTAINER, mounts }, host)
  assert.deepEqual(
    own.HostConfig?.Mounts?.map(({ Source }) => Source),
    ['/own'],
  )
})

test('a kubelet that starts anew finds its sandboxes, and lets go what is nobody’s', async () => {
  const { start, pinned, recordsDirectory } = world()
  const before = start()
  await before.recover()
  const one = await before.create({ ...SANDBOX, podUid: 'one', hostname: 'name' }, signal)
  const two = await before.create({ ...SANDBOX, podUid: 'two' }, signal)
  pinned.delete(two.id)
  pinned.add('nobody')
  await writeFile(join(recordsDirectory, 'half.json'), '{"podUid":')
  const after = start()
  const links = await after.recover()
  assert.deepEqual((await after.list()).map(({ podUid, state }) => [podUid, state]).sort(), [
    ['one', 'Ready'],
    ['two', 'NotReady'],
  ])
  assert.deepEqual([links.map(({ ips }) => ips), (await after.facts(one.id))?.hostname], [[one.ips], 'name'])
  assert.deepEqual([[...pinned], (await readdir(recordsDirectory)).length], [[one.id], 2])
})

test('spares are made when it is quiet, and taken first', async () => {
  const { start, clock, pinned } = world()
  const sandboxes = start()
  await sandboxes.recover()
  await sandboxes.create({ ...SANDBOX, podUid: 'one' }, signal)
  assert.equal(pinned.size, 1)
  await clock.advance(1000)
  await sandboxes.settled()
  const ready = new Set(pinned)
  assert.equal(ready.size, 4)
  const { id } = await sandboxes.create({ ...SANDBOX, podUid: 'two' }, signal)
  assert.ok(ready.has(id))
  assert.equal(pinned.size, 4)
})

test('nothing is left of a sandbox that is removed or cannot be made', async () => {
  const { start, failing, pinned, addresses, recordsDirectory } = world()
  const sandboxes = start()
  await sandboxes.recover()
  const { id } = await sandboxes.create(SANDBOX, signal)
  await sandboxes.stop(id)
  assert.deepEqual([pinned.size, addresses.size, (await sandboxes.list())[0]?.state], [0, 0, 'NotReady'])
  await sandboxes.remove(id)
  failing.mapPorts = true
  await assert.rejects(sandboxes.create(SANDBOX, signal), /the port is taken/)
  failing.pin = true
  await assert.rejects(sandboxes.create(SANDBOX, signal), /no namespaces left/)
  assert.deepEqual([pinned.size, addresses.size, await sandboxes.list(), await readdir(recordsDirectory)], [0, 0, [], []])
})
