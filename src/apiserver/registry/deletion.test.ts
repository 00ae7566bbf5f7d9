import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planDeletion } from './deletion.ts'
import { podStrategy } from './strategies/pods.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { DeleteOptions } from './options.ts'
import type { Strategy } from './strategy.ts'

const NOW_MS = Date.UTC(2026, 0, 1)
const metadata = { name: 'a', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }

function pod(spec: object, meta: object = {}): KubeObject {
  return { metadata: { ...metadata, generation: 1, ...meta }, spec, status: { phase: 'Running' } } as unknown as KubeObject
}

const bound = { nodeName: 'n1', terminationGracePeriodSeconds: 30 }
const dying = { deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 }

const cases: { name: string; object: KubeObject; options?: Partial<DeleteOptions>; strategy?: Strategy; type: string; grace?: number }[] = [
  { name: 'a plain object goes', object: { metadata }, type: 'remove' },
  { name: 'orphaning asks for a finalizer', object: { metadata }, options: { propagationPolicy: 'Orphan' }, type: 'mark', grace: 0 },
  { name: 'a pod without node goes at once', object: pod({}), strategy: podStrategy as Strategy, type: 'remove', grace: 0 },
  { name: 'a bound pod gets its grace', object: pod(bound), strategy: podStrategy as Strategy, type: 'mark', grace: 30 },
  {
    name: 'a longer grace later is ignored',
    object: pod(bound, dying),
    options: { gracePeriodSeconds: 50 },
    strategy: podStrategy as Strategy,
    type: 'leave',
  },
  {
    name: 'a shorter one applies',
    object: pod(bound, dying),
    options: { gracePeriodSeconds: 5 },
    strategy: podStrategy as Strategy,
    type: 'mark',
    grace: 5,
  },
  {
    name: 'none at all ends it',
    object: pod(bound, dying),
    options: { gracePeriodSeconds: 0 },
    strategy: podStrategy as Strategy,
    type: 'remove',
  },
]

for (const { name, object, options, strategy = {}, type, grace } of cases) {
  test(name, () => {
    const plan = planDeletion(object, { dryRun: false, preconditions: {}, ...options }, strategy, NOW_MS)
    assert.equal(plan.type, type)
    if (grace !== undefined && plan.type !== 'leave') assert.equal(plan.object.metadata.deletionGracePeriodSeconds, grace)
  })
}
