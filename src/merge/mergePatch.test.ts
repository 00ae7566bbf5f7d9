import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { deepEqual } from '../api/meta.ts'
import { isObject, type JsonObject } from './jsonValue.ts'
import { applyMergePatch } from './mergePatch.ts'

/** The patch that leads from one document without nulls to another. */
function difference(a: JsonObject, b: JsonObject): JsonObject {
  const entries: [string, unknown][] = Object.keys(a)
    .filter((key) => !Object.hasOwn(b, key))
    .map((key) => [key, null])
  for (const [key, value] of Object.entries(b)) {
    const before = Object.hasOwn(a, key) ? a[key] : undefined
    if (isObject(before) && isObject(value)) entries.push([key, difference(before, value)])
    else if (!deepEqual(before, value)) entries.push([key, value])
  }
  return Object.fromEntries(entries)
}

const { tree: someTree } = fc.letrec<{ tree: JsonObject; value: unknown }>((tie) => ({
  tree: fc.dictionary(fc.string({ maxLength: 2 }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  value: fc.oneof({ maxDepth: 3 }, fc.string(), fc.integer(), fc.array(fc.boolean()), tie('tree')),
}))

describe('a merge patch', () => {
  // Appendix A of RFC 7386, as far as documents are objects.
  const cases: [document: JsonObject, patch: JsonObject, result: JsonObject][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    [{ a: [1] }, { a: [null, { b: null, c: [{ d: null }] }] }, { a: [null, { c: [{}] }] }],
    [{ a: {} }, { a: [{ b: null }] }, { a: [{ b: null }] }],
  ]
  for (const [document, patch, result] of cases) {
    it(`${JSON.stringify(patch)} on ${JSON.stringify(document)}`, () => assert.deepEqual(applyMergePatch(document, patch), result))
  }

  it('must be an object', () => {
    assert.throws(() => applyMergePatch({}, null), { message: 'Invalid JSON Patch' })
    assert.throws(() => applyMergePatch({}, []), { message: /cannot unmarshal array into Go value of type map/ })
  })

  it('made from a difference gives the other document, once or twice', () => {
    fc.assert(
      fc.property(someTree, someTree, (a, b) => {
        const before = structuredClone(a)
        const patch = difference(a, b)
        const once = applyMergePatch(a, patch)
        assert.deepEqual(once, b)
        assert.deepEqual(applyMergePatch(once, patch), b)
        assert.deepEqual(a, before)
      }),
    )
  })
})
