import assert from 'node:assert/strict'
import test from 'node:test'
import { jsonValue, parseJson } from './json.ts'
import { int64Double, mayHoldLong, numberOf, parseExactly } from './longIntegers.ts'

test('whole numbers of 64 bits keep their digits', () => {
  const text = '{"a":9007199254740993,"b":[-9223372036854775808,1],"c":1.5,"d":"9007199254740993"}'
  assert.equal(JSON.stringify(jsonValue(parseJson(text)).value), text)
  assert.equal(JSON.stringify(parseExactly(text)), text)
  assert.equal(numberOf('9007199254740991'), 9007199254740991)
  assert.equal(numberOf('9007199254740993'), 9007199254740993n)
  assert.equal(numberOf('9223372036854775808'), 2 ** 63)
})

test('texts without such a number are told from those with one', () => {
  for (const text of ['{"a": 9007199254740993}', '[-1234567890123456]']) assert.equal(mayHoldLong(text), true, text)
  for (const text of ['{"a":123}', '{"a":"9007199254740993"}', '{"uid":"1234567890123456-"}']) assert.equal(mayHoldLong(text), false, text)
})

test('the outermost int64 can be read again', () => {
  for (const value of [2 ** 63, -(2 ** 63)]) {
    const digits = BigInt(JSON.stringify(int64Double(value)))
    assert.equal(BigInt.asIntN(64, digits), digits)
  }
  assert.equal(int64Double(5), 5)
})
