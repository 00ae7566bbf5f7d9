import assert from 'node:assert/strict'
import test from 'node:test'
import { jsonValue, parseJson } from './json.ts'
import { inDoubles, increment, mayHoldLong, numberOf, parseExactly } from './longIntegers.ts'

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

test('who counts gets doubles', () => {
  const exact = parseExactly('{"a":9007199254740993}') as { a: number }
  assert.equal(inDoubles(exact).a + 1, 9007199254740992)
  assert.equal(inDoubles(exact), inDoubles(exact))
  const plain = { a: '9007199254740993' }
  assert.equal(inDoubles(plain), plain)
})

test('a count goes on beyond what a double can hold, and around as in Go', () => {
  assert.equal(increment(1), 2)
  assert.equal(JSON.stringify(increment(Number.MAX_SAFE_INTEGER)), '9007199254740992')
  assert.equal(JSON.stringify(increment(numberOf('9223372036854775807') as number)), '-9223372036854775808')
})
