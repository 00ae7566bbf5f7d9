import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import jsonpatch from 'fast-json-patch'
import { StatusError } from '../api/status.ts'
import { applyJsonPatch } from './jsonPatch.ts'

const rejected = 'the server rejected our request due to an error in our request'

describe('a JSON patch', () => {
  const document = { data: { a: '1' }, list: [{ n: 1 }, { n: 2 }], 'x/y': { '~': 0 } }
  const cases: { name: string; patch: unknown; result: unknown }[] = [
    { name: 'may be empty', patch: [], result: document },
    {
      name: 'adds, moves and copies',
      patch: [
        { op: 'add', path: '/data/b', value: '2' },
        { op: 'move', from: '/data/a', path: '/data/c' },
        { op: 'copy', from: '/data/b', path: '/d' },
      ],
      result: { ...document, data: { b: '2', c: '1' }, d: '2' },
    },
    {
      name: 'counts from the end',
      patch: [{ op: 'replace', path: '/list/-1/n', value: 3 }],
      result: { ...document, list: [{ n: 1 }, { n: 3 }] },
    },
    {
      name: 'adds after the last when it counts from the end',
      patch: [{ op: 'add', path: '/list/-1', value: 0 }],
      result: { ...document, list: [...document.list, 0] },
    },
    {
      name: 'reads an index as Go reads a number',
      patch: [{ op: 'replace', path: '/list/00/n', value: 5 }],
      result: { ...document, list: [{ n: 5 }, { n: 2 }] },
    },
    {
      name: 'drops what stands before the first slash',
      patch: [{ op: 'add', path: 'data/b', value: '2' }],
      result: { ...document, b: '2' },
    },
    { name: 'appends', patch: [{ op: 'add', path: '/list/-', value: 0 }], result: { ...document, list: [...document.list, 0] } },
    { name: 'understands escapes', patch: [{ op: 'remove', path: '/x~1y/~0' }], result: { ...document, 'x/y': {} } },
    {
      name: 'replaces a key that is not there',
      patch: [{ op: 'replace', path: '/data/new', value: '2' }],
      result: { ...document, data: { a: '1', new: '2' } },
    },
    { name: 'takes no value for null', patch: [{ op: 'add', path: '/data/new' }], result: { ...document, data: { a: '1', new: null } } },
    {
      name: 'copies a key that is not there as null',
      patch: [{ op: 'copy', from: '/data/none', path: '/data/new' }],
      result: { ...document, data: { a: '1', new: null } },
    },
    { name: 'takes a missing key for null', patch: [{ op: 'test', path: '/data/none', value: null }], result: document },
    { name: 'replaces everything', patch: [{ op: 'replace', path: '', value: { z: 1 } }], result: { z: 1 } },
  ]
  for (const { name, patch, result } of cases) {
    it(name, () => {
      const before = structuredClone(document)
      assert.deepEqual(applyJsonPatch(document, patch), result)
      assert.deepEqual(document, before)
    })
  }

  const failures: { patch: unknown; code: number; message: string }[] = [
    { patch: [{ op: 'test', path: '/data/a', value: '2' }], code: 422, message: rejected },
    { patch: [{ op: 'replace', path: '', value: null }], code: 422, message: rejected },
    { patch: [{ op: 'replace', path: '', value: 5 }], code: 422, message: rejected },
    { patch: [{ op: 'test', path: '/data/none', value: '1' }], code: 422, message: rejected },
    { patch: [{ op: 'replace', path: '/no/where', value: 1 }], code: 422, message: rejected },
    { patch: [{ op: 'remove', path: '/data/zz' }], code: 422, message: rejected },
    { patch: [{ op: 'remove', path: '/list/7' }], code: 422, message: rejected },
    { patch: [{ op: 'add', path: '/list/9', value: 1 }], code: 422, message: rejected },
    { patch: [{ op: 'remove', path: '/list/-3' }], code: 422, message: rejected },
    { patch: [{ op: 'move', from: '', path: '/data/a' }], code: 422, message: rejected },
    { patch: [{ op: 'move', from: '/data', path: '/data/a' }], code: 422, message: rejected },
    { patch: [{ op: 'copy', from: '', path: '/data/a' }], code: 422, message: rejected },
    { patch: [{ op: 'add', path: '/no/where', value: 1 }], code: 422, message: rejected },
    { patch: [{ op: 'add', path: '/__proto__/x', value: 1 }], code: 422, message: rejected },
    { patch: [{ op: 'explode', path: '/data' }], code: 422, message: rejected },
    { patch: [{ op: 'add' }], code: 422, message: rejected },
    { patch: [null], code: 422, message: rejected },
    { patch: [{ op: 'replace', path: 'data', value: {} }], code: 422, message: rejected },
    { patch: [{ op: 'move', from: '/list/0', path: '/list/2' }], code: 422, message: rejected },
    { patch: [{ op: 'copy', from: '/list/0', path: '/list/9' }], code: 422, message: rejected },
    { patch: [{ op: 'copy', from: '/list/5', path: '/list/0' }], code: 422, message: rejected },
    { patch: {}, code: 400, message: 'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp' },
    { patch: ['x'], code: 400, message: 'error decoding patch: json: cannot unmarshal string into Go value of type handlers.jsonPatchOp' },
    {
      patch: Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/data/a', value: '1' })),
      code: 413,
      message: 'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001',
    },
  ]
  for (const { patch, code, message } of failures) {
    it(`fails with ${code}: ${JSON.stringify(patch).slice(0, 60)}`, () => {
      assert.throws(
        () => applyJsonPatch(document, patch),
        (error: unknown) => {
          assert.ok(error instanceof StatusError)
          assert.deepEqual([error.code, error.message], [code, message])
          return true
        },
      )
    })
  }

  it('cannot be used to fill the memory', () => {
    const copies = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '', path: `/copy${i}` }))
    assert.throws(() => applyJsonPatch({ text: 'x'.repeat(1000) }, copies), { message: rejected })
  })

  it('made from a difference gives the other document', () => {
    const someValue = fc.jsonValue({ maxDepth: 3 }).filter((value) => !JSON.stringify(value).includes('__proto__'))
    const someJson = fc.dictionary(fc.string({ maxLength: 2 }), someValue, { maxKeys: 5, noNullPrototype: true })
    fc.assert(
      fc.property(someJson, someJson, (a, b) => {
        const [from, to] = JSON.parse(JSON.stringify([a, b])) as [object, object]
        assert.deepEqual(applyJsonPatch(from, jsonpatch.compare(from, to)), to)
      }),
    )
  })
})
