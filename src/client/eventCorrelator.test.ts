import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventCorrelator } from './eventCorrelator.ts'

const about = { apiVersion: 'v1', kind: 'Pod', namespace: 'ns', name: 'p', uid: 'u' }
const event = (message: string, reason = 'BackOff') => ({ about, type: 'Warning' as const, reason, message })

function setUp(): EventCorrelator {
  let made = 0
  return new EventCorrelator((o) => `${o.name}.${made++}`)
}

test('the same event is counted up on its object', () => {
  const correlator = setUp()
  assert.deepEqual(correlator.plan(event('m'), 0), {
    action: 'create',
    series: { name: 'p.0', count: 1, firstMs: 0, message: 'm', combined: false },
  })
  assert.deepEqual(correlator.plan(event('m'), 9), {
    action: 'count',
    series: { name: 'p.0', count: 2, firstMs: 0, message: 'm', combined: false },
  })
  assert.equal(correlator.plan(event('m', 'Pulled'), 9).action, 'create')
})

test('many different messages become one combined event', () => {
  const correlator = setUp()
  for (let i = 1; i < 10; i++) assert.equal(correlator.plan(event(`m${i}`), i).action, 'create')
  const first = correlator.plan(event('m10'), 10)
  assert.equal(first.action === 'create' && first.series.message, '(combined from similar events): m10')
  assert.equal(first.action === 'create' && first.series.combined, true)
  const second = correlator.plan(event('m11'), 11)
  assert.equal(second.action === 'count' && second.series.count, 2)
  const known = correlator.plan(event('m1'), 12)
  assert.deepEqual(
    known.action === 'count' && [known.series.message, known.series.count],
    ['m1', 2],
    'one that was told before is told as itself',
  )
})

test('a source may say 25 things about one object at once, then one every five minutes', () => {
  const correlator = setUp()
  const kept = (atMs: number): boolean => correlator.plan(event('m'), atMs).action !== 'drop'
  for (let i = 0; i < 25; i++) assert.equal(kept(0), true)
  assert.equal(kept(0), false)
  assert.equal(kept(299_000), false)
  const next = correlator.plan(event('m'), 300_000)
  assert.equal(next.action === 'count' && next.series.count, 28, 'those that were not written are counted')
})
