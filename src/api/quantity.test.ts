import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  addQuantity,
  canonicalQuantity,
  compareQuantity,
  formatQuantity,
  newMilliQuantity,
  newQuantity,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
  subQuantity,
} from './quantity.ts'

test('canonical form', () => {
  for (const [given, want] of [
    ['0', '0'],
    ['00', '0'],
    ['0.0', '0'],
    ['0Gi', '0'],
    ['1', '1'],
    ['1000m', '1'],
    ['1500m', '1500m'],
    ['1.5', '1500m'],
    ['0.5', '500m'],
    ['0.1', '100m'],
    ['1024Mi', '1Gi'],
    ['1Gi', '1Gi'],
    ['1536Mi', '1536Mi'],
    ['1.5Gi', '1536Mi'],
    ['512Ki', '512Ki'],
    ['2048Ki', '2Mi'],
    ['1000', '1k'],
    ['1000k', '1M'],
    ['1500000', '1500k'],
    ['100Mi', '100Mi'],
    ['8Gi', '8Gi'],
    ['128974848', '128974848'],
    ['129e6', '129e6'],
    ['1e3', '1e3'],
    ['1E3', '1E3'],
    ['1000e3', '1e6'],
    ['0.0000000001', '1n'],
    ['-1000m', '-1'],
    ['+1', '+1'],
    ['1.', '1.'],
    ['.', '0'],
    ['.5', '500m'],
    ['0.5Ki', '512'],
    ['0.1Ki', '102400m'],
    ['05', '05'],
    ['1.500', '1.500'],
    ['100', '100'],
    ['10', '10'],
    ['120k', '120k'],
    ['1E', '1E'],
    ['9223372036854775807', '9223372036854775807'],
    ['10Ei', '9223372036854775807'],
    ['0.0001Ki', '102400u'],
    ['1000Ki', '1000Ki'],
    ['999999999m', '999999999m'],
    ['2100000m', '2100'],
  ] as const) {
    assert.equal(canonicalQuantity(given), want, given)
    assert.equal(formatQuantity(parseQuantity(given)), want, given)
  }
})

test('a number as long as a body takes no longer than others', () => {
  assert.equal(canonicalQuantity(`1${'0'.repeat(300_000)}e0`), '1e300000')
  assert.equal(canonicalQuantity(`-1${'0'.repeat(300_000)}e0`), '-1e300000')
})

test("refuses with upstream's words", () => {
  for (const text of ['', 'lots', '1 ', ' 1', '1.2.3', '1m5x', '1g'])
    assert.throws(() => parseQuantity(text), /must match the regular expression/, text)
  for (const text of ['1mi', '1K', '1ee3', '1kk', '1Mi2', '--1']) assert.throws(() => parseQuantity(text), /quantity's suffix/, text)
})

test('arithmetic is exact and rounds up where it must', () => {
  assert.equal(formatQuantity(addQuantity('1Gi', '512Mi')), '1536Mi')
  assert.equal(formatQuantity(addQuantity('0', '512Mi')), '512Mi')
  assert.equal(formatQuantity(subQuantity('1', '250m')), '750m')
  assert.equal(compareQuantity('1Gi', '1G'), 1)
  assert.equal(compareQuantity('1000m', '1'), 0)
  assert.equal(quantityValue('1001m'), 2)
  assert.equal(quantityMilliValue('1.0001'), 1001)
  assert.equal(formatQuantity(newQuantity(2048, 'BinarySI')), '2Ki')
  assert.equal(formatQuantity(newMilliQuantity(1500)), '1500m')
})

test('formatting and parsing again changes nothing', () => {
  const formats = fc.constantFrom('DecimalSI' as const, 'BinarySI' as const, 'DecimalExponent' as const)
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }), formats, (nanos, format) => {
      const text = formatQuantity({ nanos, format })
      assert.equal(parseQuantity(text).nanos, nanos)
      assert.equal(canonicalQuantity(text), text)
    }),
  )
})
