import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { ComponentTallies, rowsBy } from './componentTallies.ts'

test('metrics are under their prefix, and a row comes with the first of its labels', async () => {
  const registry = new Registry()
  const tallies = new ComponentTallies(registry, 'x')
  const asked = rowsBy(tallies.counter('asked_total', 'Questions.'), { zone: '.' })
  asked({ type: 'A' }).add()
  asked({ type: 'A' }).add()
  asked({ type: 'MX' }).add()
  assert.equal(asked({ type: 'A' }), asked({ type: 'A' }))
  tallies.gauge('level', 'Level.').row({}).set(3)
  tallies.histogram('took', 'Time.', [1]).row({}).observe(2)
  const lines = (await registry.metrics()).split('\n').filter((line) => line && !line.startsWith('#'))
  assert.deepEqual(lines, [
    'x_asked_total{zone=".",type="A"} 2',
    'x_asked_total{zone=".",type="MX"} 1',
    'x_level 3',
    'x_took_bucket{le="1"} 0',
    'x_took_bucket{le="+Inf"} 1',
    'x_took_sum 2',
    'x_took_count 1',
  ])
})
