import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PersistentVolumeClaim, Pod } from '../../api/kinds/core/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { Client } from '../../client/client.ts'
import { BindingWrites } from './bindingWrites.ts'
import { holds } from './protection.ts'

test('the same is told of a claim once in fifteen seconds', async () => {
  const clock = new FakeClock()
  const told: string[] = []
  const unused = {
    request: () => Promise.reject(new Error('unused')),
    watch: () => {
      throw new Error('unused')
    },
  }
  const events = { record: (_: unknown, { message }: { message: string }) => void told.push(message) }
  const writes = new BindingWrites({ client: new Client(unused), events, clock })
  const metadata = { name: 'c', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' }
  const claim: PersistentVolumeClaim = { metadata, spec: {} }
  for (const message of ['a', 'a', 'b', 'b']) writes.tell(claim, 'Normal', 'R', message)
  writes.tell({ ...claim, metadata: { ...metadata, uid: 'other' } }, 'Normal', 'R', 'b')
  await clock.advance(15_000)
  writes.tell(claim, 'Normal', 'R', 'b')
  assert.deepEqual(told, ['a', 'b', 'b', 'b'])
})

test('a pod holds the claims that it names until it is gone, its own ones until it is shut down', () => {
  const of = (spec: object, metadata: object = {}, phase = 'Running'): Pod =>
    ({ metadata: { name: 'p', ...metadata }, spec: { nodeName: 'n', ...spec }, status: { phase } }) as unknown as Pod
  const named = { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] }
  const own = { volumes: [{ name: 'v', ephemeral: {} }] }
  const shutDown = { deletionTimestamp: 'now', deletionGracePeriodSeconds: 0 }
  assert.deepEqual(
    [of(named), of(named, {}, 'Succeeded'), of(named, shutDown), of({ ...named, nodeName: undefined })].map((pod) => holds(pod, 'c')),
    [true, true, true, false],
  )
  assert.deepEqual(
    [of(own), of(own, { ...shutDown, deletionGracePeriodSeconds: 1 }), of(own, shutDown)].map((pod) => holds(pod, 'p-v')),
    [true, true, false],
  )
})
