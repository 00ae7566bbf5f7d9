import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collect, durationMs, positiveNumber } from './arguments.ts'

const durations: readonly [text: string, ms: number][] = [
  ['90s', 90_000],
  ['5m', 300_000],
  ['1m30s', 90_000],
  ['1.5h', 5_400_000],
  ['250ms', 250],
  ['120', 120_000],
]
for (const [text, ms] of durations) test(`${text} is ${ms} ms`, () => assert.equal(durationMs(text), ms))
for (const text of ['', 'soon', '5 m', '5x', '-1s', '0', '0s', '1m!', 's'])
  test(`"${text}" is no duration`, () => assert.throws(() => durationMs(text), /must be a duration/))

test('numbers are above 0', () => {
  assert.deepEqual(['2', '0.5', '1e1'].map(positiveNumber), [2, 0.5, 10])
  for (const text of ['0', '-1', 'many', 'Infinity', 'NaN']) assert.throws(() => positiveNumber(text), /above 0/, text)
})

test('a flag that is repeated keeps every value', () => assert.deepEqual(collect('b', collect('a')), ['a', 'b']))
