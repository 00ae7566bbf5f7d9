import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Job } from '../api/kinds/batch/v1.ts'
import { expiryMs } from './ttlAfterFinished.ts'

test('when a Job expires', () => {
  const job = (ttl: number | undefined, type: string, status = 'True'): Job => ({
    metadata: { name: 'j', namespace: 'ns', uid: 'j', resourceVersion: '1', creationTimestamp: '' },
    spec: { template: {}, ...(ttl !== undefined && { ttlSecondsAfterFinished: ttl }) },
    status: { conditions: [{ type, status, lastTransitionTime: '1970-01-01T00:01:00Z' }] },
  })
  assert.equal(expiryMs(job(30, 'Complete')), 90_000)
  assert.equal(expiryMs(job(0, 'Failed')), 60_000)
  assert.equal(expiryMs(job(undefined, 'Complete')), undefined)
  assert.equal(expiryMs(job(30, 'Suspended')), undefined)
  assert.equal(expiryMs(job(30, 'Complete', 'False')), undefined)
})
