import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatLabelSelector, formatLabels, humanDuration, withMore } from './format.ts'

const S = 1000
const M = 60 * S
const H = 60 * M
const D = 24 * H

test('durations are written as kubectl writes them', () => {
  const cases: [number, string][] = [
    [-3 * S, '<invalid>'],
    [-1 * S, '0s'],
    [0, '0s'],
    [1.9 * S, '1s'],
    [119 * S, '119s'],
    [2 * M, '2m'],
    [2 * M + 5 * S, '2m5s'],
    [9 * M + 59 * S, '9m59s'],
    [10 * M + 30 * S, '10m'],
    [179 * M, '179m'],
    [3 * H, '3h'],
    [3 * H + 4 * M, '3h4m'],
    [8 * H + 30 * M, '8h'],
    [47 * H, '47h'],
    [2 * D, '2d'],
    [2 * D + 3 * H, '2d3h'],
    [8 * D + 5 * H, '8d'],
    [729 * D, '729d'],
    [730 * D, '2y'],
    [731 * D, '2y1d'],
    [3000 * D, '8y'],
  ]
  for (const [ms, expected] of cases) assert.equal(humanDuration(ms), expected)
})

test('labels, selectors and lists are cut and sorted', () => {
  assert.equal(formatLabels({ b: '2', a: '1' }), 'a=1,b=2')
  assert.equal(formatLabels({}), '<none>')
  assert.equal(
    formatLabelSelector({
      matchLabels: { app: 'demo' },
      matchExpressions: [
        { key: 'app', operator: 'Exists' },
        { key: 'a', operator: 'NotIn', values: ['y', 'x'] },
      ],
    }),
    'a notin (x,y),app=demo,app',
  )
  assert.equal(formatLabelSelector(undefined), '<none>')
  assert.equal(withMore(['1', '2', '3', '4'], 3), '1,2,3 + 1 more...')
  assert.equal(withMore([], 3), '<unset>')
})
