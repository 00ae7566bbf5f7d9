import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { pods, resourcequotas, type Pod, type ResourceQuota } from '../../api/kinds/core/v1.ts'
import { Client } from '../../client/client.ts'
import { HandFedInformers } from '../../client/testing/handFedInformers.ts'
import { resourceQuotaController } from './resourceQuota.ts'

const META = { namespace: 'ns', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const POD: Pod = { metadata: { ...META, name: 'p', uid: 'p', generation: 1 }, spec: { containers: [] }, status: { phase: 'Running' } }

test('a quota is counted anew when it comes or limits something else, when a pod is resized, ends or goes; not when admission has charged it', async () => {
  const clock = new FakeClock()
  const informers = new HandFedInformers()
  const unused = () => assert.fail('nothing is asked here')
  const client = new Client({ request: unused, watch: unused })
  const { signal } = new AbortController()
  const { watches } = resourceQuotaController({ client, informers, events: { record: () => {} }, signal, log: silentLogger, clock })
  const seen: string[] = []
  for (const each of watches) each.start(informers, (key) => void seen.push(key))
  const quota: ResourceQuota = { metadata: { ...META, name: 'q', uid: 'q' }, spec: { hard: { pods: '1' } } }
  const looks = async (change: () => void): Promise<number> => {
    await clock.advance(1_000)
    seen.length = 0
    change()
    return seen.length
  }
  assert.equal(await looks(() => informers.set(resourcequotas, quota)), 1)
  assert.equal(await looks(() => informers.set(resourcequotas, { ...quota, status: { used: { pods: '1' } } })), 0)
  assert.equal(await looks(() => informers.set(pods, POD)), 0)
  assert.equal(await looks(() => informers.set(resourcequotas, { ...quota, spec: { hard: { pods: '2' } } })), 1)
  assert.equal(await looks(() => informers.set(pods, { ...POD, status: { phase: 'Running', podIP: '10.0.0.1' } })), 0)
  assert.equal(await looks(() => informers.set(pods, { ...POD, metadata: { ...POD.metadata, generation: 2 } })), 1)
  assert.equal(
    await looks(() => informers.set(pods, { ...POD, metadata: { ...POD.metadata, generation: 2 }, status: { phase: 'Failed' } })),
    1,
  )
  assert.equal(await looks(() => informers.delete(pods, 'ns/p')), 1)
})
