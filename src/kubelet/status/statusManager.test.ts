import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod, PodStatus } from '../../api/kinds/core/v1.ts'
import { pods } from '../../api/kinds/core/v1.ts'
import { newConflict } from '../../api/status.ts'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { Client } from '../../client/client.ts'
import { FakeApi } from '../testing/fakeApi.ts'
import { KubeletMeasures } from '../metrics/measures.ts'
import { StatusManager, statusPatch } from './statusManager.ts'

const pod = (uid = 'u'): Pod => ({
  metadata: { name: 'p', namespace: 'n', uid, creationTimestamp: '', resourceVersion: '' },
  spec: { containers: [] },
})

const cases: [string, PodStatus, PodStatus, object | undefined][] = [
  ['nothing changed', { phase: 'Running' }, { phase: 'Running' }, undefined],
  ['a field', { phase: 'Pending', qosClass: 'BestEffort' }, { phase: 'Running', qosClass: 'BestEffort' }, { phase: 'Running' }],
  ['a reason that is over', { phase: 'Failed', reason: 'x' }, { phase: 'Failed' }, { reason: null }],
  ['fields of others stay', { phase: 'Running', nominatedNodeName: 'x' }, { phase: 'Running' }, undefined],
  [
    'other addresses replace the old ones',
    { podIPs: [{ ip: '1' }] },
    { podIPs: [{ ip: '2' }] },
    { podIPs: [{ $patch: 'replace' }, { ip: '2' }] },
  ],
  [
    'only conditions of the kubelet that changed',
    {
      conditions: [
        { type: 'Ready', status: 'False', reason: 'R' },
        { type: 'Initialized', status: 'True' },
        { type: 'Mine', status: 'A' },
      ],
    },
    {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'Initialized', status: 'True' },
        { type: 'Mine', status: 'B' },
      ],
    },
    { conditions: [{ type: 'Ready', status: 'True', reason: null }] },
  ],
  [
    'a resize that is over',
    { conditions: [{ type: 'PodResizeInProgress', status: 'True' }] },
    { conditions: [] },
    { conditions: [{ $patch: 'delete', type: 'PodResizeInProgress' }] },
  ],
]
for (const [what, sent, wanted, status] of cases) {
  test(`status patch: ${what}`, () => assert.deepEqual(statusPatch(pod(), sent, wanted), status && { metadata: { uid: 'u' }, status }))
}

function setUp() {
  const clock = new FakeClock()
  const api = new FakeApi()
  const manager = new StatusManager({
    client: new Client(api),
    clock,
    log: silentLogger,
    signal: new AbortController().signal,
    measures: new KubeletMeasures(clock),
  })
  return { clock, api, manager, patches: () => api.requests.filter((r) => r.startsWith('patch')).length }
}

test('what is set while a request is under way is sent once, the newest wins', async () => {
  const { api, manager, patches } = setUp()
  api.put(pods, pod())
  manager.set(pod(), { phase: 'Pending' })
  manager.set(pod(), { phase: 'Pending', message: 'a' })
  manager.set(pod(), { phase: 'Running' })
  await manager.flush('u')
  assert.equal(api.get(pods, 'n', 'p')?.status?.phase, 'Running')
  assert.equal(patches(), 2)
  manager.set(pod(), { phase: 'Running' })
  await manager.flush('u')
  assert.equal(patches(), 2)
})

test('a conflict is resolved against what the API has', async () => {
  const { clock, api, manager } = setUp()
  api.put(pods, pod())
  api.failNext = { verb: 'patch', error: newConflict(pods, 'p', 'changed') }
  manager.set(pod(), { phase: 'Running' })
  await clock.advance(1000)
  await manager.flush('u')
  assert.equal(api.get(pods, 'n', 'p')?.status?.phase, 'Running')
})

test('another pod of the same name is left alone', async () => {
  const { clock, api, manager } = setUp()
  api.put(pods, pod('other'))
  manager.set(pod('u'), { phase: 'Failed' })
  await clock.advance(1000)
  await manager.flush('u')
  await manager.finish(pod('u'))
  assert.equal(api.get(pods, 'n', 'p')?.status, undefined)
})

test('a finished pod is deleted after its last status', async () => {
  const { api, manager } = setUp()
  api.put(pods, pod())
  manager.set(pod(), { phase: 'Succeeded' })
  await manager.finish(pod())
  assert.deepEqual(api.requests, ['patch pods/status p', 'delete pods p'])
  assert.equal(api.get(pods, 'n', 'p'), undefined)
})
