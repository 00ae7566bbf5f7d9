import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ContainerInspectInfo } from 'dockerode'
import { parseEvent } from './events.ts'
import { imageUser } from './images.ts'
import { layersOf } from './imageMounts.ts'
import type { ContainerConfig } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { containerFrom, Inventory, isEnding } from './inventory.ts'
import { containerLabels, type ContainerFacts } from './labels.ts'
import type { PinnedSandboxes } from './pinnedSandboxes.ts'
import { endpointOf } from './registry.ts'
import { CONTAINER, POD } from './testConfigs.ts'

const FACTS: ContainerFacts = {
  ...POD,
  sandboxId: 's',
  name: 'main',
  attempt: 0,
  image: 'x',
  imageId: 'sha256:x',
  tty: false,
  annotations: {},
}
const ZERO = '0001-01-01T00:00:00Z'
const BASE: ContainerInspectInfo['State'] = {
  Status: 'created',
  Running: false,
  Paused: false,
  Restarting: false,
  OOMKilled: false,
  Dead: false,
  Pid: 0,
  ExitCode: 0,
  Error: '',
  StartedAt: ZERO,
  FinishedAt: ZERO,
}

test('that a container ran out of memory may be heard of after its end', async () => {
  const State = { ...BASE, Status: 'exited', StartedAt: '2026-01-01T00:00:02Z', FinishedAt: '2026-01-01T00:00:03Z', ExitCode: 137 }
  const config: ContainerConfig = { ...CONTAINER, name: 'main' }
  const row = { Id: 'c', State: 'exited', Created: 0, Labels: containerLabels(POD, 's', config) }
  const docker = {
    listContainers: async () => [row],
    getContainer: () => ({ inspect: async () => ({ Id: 'c', Created: ZERO, State: { ...State } }) }),
  }
  const pinned = { list: async () => [], facts: async () => undefined }
  const inventory = new Inventory((async () => docker) as unknown as Engine, pinned as unknown as PinnedSandboxes)
  const oomKilled = async (): Promise<boolean | undefined> => (await inventory.list('u')).containers[0]?.oomKilled
  assert.equal(await oomKilled(), false)
  State.OOMKilled = true
  assert.equal(await oomKilled(), false, 'an end is asked for once')
  inventory.ranOutOfMemory('c')
  assert.equal(await oomKilled(), true)
})

describe("a container's state", () => {
  const cases: [name: string, state: Partial<typeof BASE>, expected: object][] = [
    ['created', {}, { state: 'Created' }],
    [
      'running',
      { Status: 'running', StartedAt: '2026-01-01T00:00:02.5Z' },
      { state: 'Running', startedAtMs: Date.UTC(2026, 0, 1, 0, 0, 2, 500) },
    ],
    [
      'ended by the kernel',
      { Status: 'exited', StartedAt: '2026-01-01T00:00:02Z', FinishedAt: '2026-01-01T00:00:03Z', ExitCode: 137, OOMKilled: true },
      {
        state: 'Exited',
        exitCode: 137,
        oomKilled: true,
        startedAtMs: Date.UTC(2026, 0, 1, 0, 0, 2),
        finishedAtMs: Date.UTC(2026, 0, 1, 0, 0, 3),
      },
    ],
    [
      'never started',
      { Error: 'no such file', ExitCode: 127 },
      { state: 'Exited', exitCode: 127, error: 'no such file', finishedAtMs: Date.UTC(2026, 0, 1) },
    ],
  ]
  for (const [name, state, expected] of cases) {
    test(name, () => {
      const container = containerFrom({ Id: 'c', Created: '2026-01-01T00:00:00Z', State: { ...BASE, ...state } }, FACTS)
      const { tty: _, ...identity } = FACTS
      assert.deepEqual(container, { ...identity, id: 'c', createdAtMs: Date.UTC(2026, 0, 1), oomKilled: false, ...expected })
    })
  }
})

describe('events', () => {
  const line = (Action: string, Attributes: object) => JSON.stringify({ Type: 'container', Action, Actor: { ID: 'c', Attributes } })
  test('of ours', () =>
    assert.deepEqual(parseEvent(line('die', { 'io.minicube.pod.uid': 'u' })), { type: 'Died', podUid: 'u', containerId: 'c' }))
  test('of images', () => {
    const image = (Action: string) => parseEvent(JSON.stringify({ Type: 'image', Action, Actor: { ID: 'sha256:1', Attributes: {} } }))
    assert.deepEqual(['load', 'tag', 'delete', 'save'].map(image), [
      { images: { loaded: 'sha256:1' } },
      { images: {} },
      { images: {} },
      undefined,
    ])
  })
  test('of others, and of no interest', () => {
    assert.deepEqual(
      [parseEvent(line('die', {})), parseEvent(line('exec_die', { 'io.minicube.pod.uid': 'u' })), parseEvent('')],
      [undefined, undefined, undefined],
    )
  })
})

test("an image's user", () => {
  assert.deepEqual(['', '0', '1000:1000', 'nobody', 'nobody:nogroup'].map(imageUser), [
    {},
    { uid: 0 },
    { uid: 1000 },
    { username: 'nobody' },
    { username: 'nobody' },
  ])
})

test('where a registry listens', () => {
  assert.deepEqual(['docker.io', 'localhost:5000', 'registry.k8s.io', '[::1]:5000'].map(endpointOf), [
    { host: 'registry-1.docker.io', ports: [443] },
    { host: 'localhost', ports: [5000] },
    { host: 'registry.k8s.io', ports: [443, 80] },
    { host: '::1', ports: [5000] },
  ])
})

test('a process that is about to end', () => {
  const stat = (state: string, flags: number): string => `12 (a) b) ${state} 1 2 3 0 -1 ${flags} 105 0 0`
  assert.deepEqual([stat('S', 4194560), stat('S', 4194564), stat('Z', 4194560), ''].map(isEnding), [false, true, true, true])
})

test("an image's layers, the topmost first", () => {
  assert.deepEqual(
    [layersOf({ UpperDir: '/o/3/diff', LowerDir: '/o/2/diff:/o/1/diff' }), layersOf({ UpperDir: '/o/1/diff' }), layersOf({})],
    [['/o/3/diff', '/o/2/diff', '/o/1/diff'], ['/o/1/diff'], []],
  )
})
