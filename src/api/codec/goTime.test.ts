import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalTime, parseDuration } from './goTime.ts'

test('times that there are not', () => {
  assert.equal(canonicalTime('2024-02-29T01:00:00+02:00'), '2024-02-28T23:00:00Z')
  for (const [text, what] of [
    ['2024-02-30T00:00:00Z', 'day'],
    ['2023-02-29T00:00:00Z', 'day'],
    ['2024-04-31T00:00:00Z', 'day'],
    ['2024-01-01T00:00:00+25:00', 'time zone offset hour'],
  ] as const)
    assert.throws(() => canonicalTime(text), { message: `parsing time "${text}": ${what} out of range` })
})

test('durations as Go reads them', () => {
  const cases: [text: string, nanos: bigint | string][] = [
    ['0', 0n],
    ['1h30m', 5_400_000_000_000n],
    ['-1.5s', -1_500_000_000n],
    ['+.5ms', 500_000n],
    ['1us', 1_000n],
    ['', 'invalid duration ""'],
    ['-', 'invalid duration "-"'],
    ['.s', 'invalid duration ".s"'],
    ['5', 'missing unit in duration "5"'],
    ['1s2', 'missing unit in duration "1s2"'],
    ['1.5.5s', 'missing unit in duration "1.5.5s"'],
    ['5x', 'unknown unit "x" in duration "5x"'],
    ['1toString', 'unknown unit "toString" in duration "1toString"'],
    ['9999999999h', 'invalid duration "9999999999h"'],
    ['-9223372036854775808ns', -(2n ** 63n)],
  ]
  for (const [text, expected] of cases) {
    if (typeof expected === 'bigint') assert.equal(parseDuration(text), expected, text)
    else assert.throws(() => parseDuration(text), { message: `time: ${expected}` }, text)
  }
})
