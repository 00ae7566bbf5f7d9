import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../api/resource.ts'
import { newStatusError } from '../api/status.ts'
import { OwnWrites } from './ownWrites.ts'

const written = (resourceVersion: string): KubeObject => ({ metadata: { name: 'a', uid: 'a', creationTimestamp: '', resourceVersion } })

test('a cache shows a write once it has reached its revision', async () => {
  const writes = new OwnWrites()
  assert.ok(writes.seenBy('k', { resourceVersion: '' }))
  await writes.track('k', Promise.resolve(written('9')))
  writes.wrote('k', written('8'))
  assert.ok(!writes.seenBy('k', { resourceVersion: '8' }))
  assert.ok(writes.seenBy('k', { resourceVersion: '10' }))
})

test('after a lost answer the cache must show what the API has; after a refusal it need not', async () => {
  const writes = new OwnWrites()
  let asked = 0
  const look = async () => {
    asked++
    return { items: [written('5'), written('7')] }
  }
  await assert.rejects(writes.track('k', Promise.reject(newStatusError(403, 'Forbidden', 'no'))))
  await writes.clearUp('k', look)
  assert.equal(asked, 0)
  for (const lost of [newStatusError(504, 'Timeout', 'late'), new Error('read ECONNRESET')]) {
    await assert.rejects(writes.track('k', Promise.reject(lost)))
    await writes.clearUp('k', look)
    assert.ok(!writes.seenBy('k', { resourceVersion: '6' }))
    assert.ok(writes.seenBy('k', { resourceVersion: '7' }))
  }
  await writes.clearUp('k', look)
  assert.equal(asked, 2)
})
