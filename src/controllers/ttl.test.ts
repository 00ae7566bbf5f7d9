import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ttlSeconds, ttlStep } from './ttl.ts'

test('the time grows with the cluster, and does not swing at a border', () => {
  const sizes = [1, 100, 101, 95, 89, 501, 460, 449, 5_000, 1_850, 1_799, 10]
  let step = 0
  const seen = sizes.map((size) => ttlSeconds((step = ttlStep(size, step))))
  assert.deepEqual(seen, [0, 0, 15, 15, 0, 30, 30, 15, 300, 300, 60, 0])
})
