import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { canonicalJson, semanticallyEqual } from './hash.ts'

const leaf = fc.oneof(fc.constantFrom(null, undefined, '', 'a', 0, 1, true, false))
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { weight: 4, arbitrary: leaf },
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('a', 'b'), tie('value'), { maxKeys: 2 }),
  ),
}))

test('two parts mean the same where their canonical texts are one', () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      assert.equal(semanticallyEqual(a, b), canonicalJson(a) === canonicalJson(b))
      assert.equal(semanticallyEqual(a, structuredClone(a)), true)
    }),
    { numRuns: 2_000 },
  )
})
