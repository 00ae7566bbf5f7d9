import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  canonical,
  difference,
  differenceWithBelow,
  EMPTY,
  type FieldSet,
  fieldSetOfPaths,
  intersection,
  readFieldSet,
  pathsOf,
  union,
} from './fieldSet.ts'
import { someFieldSet } from './testTypes.ts'

const members = (set: FieldSet): Set<string> => new Set(pathsOf(set))

describe('a field set', () => {
  it('prints its paths as upstream does, parents first, in order', () => {
    const set: FieldSet = {
      'f:spec': { 'f:ports': { 'k:{"port":443}': {}, 'k:{"port":80}': { '.': {}, 'f:name': {} } }, 'f:args': { 'v:"x"': {}, 'i:0': {} } },
      'f:kind': {},
    }
    assert.deepEqual(pathsOf(set), [
      '.kind',
      '.spec.args[="x"]',
      '.spec.args[0]',
      '.spec.ports[port=80]',
      '.spec.ports[port=443]',
      '.spec.ports[port=80].name',
    ])
  })

  it('is put in order, numbers by their value', () => {
    const set: FieldSet = { 'v:10': {}, 'f:b': { 'f:z': {}, '.': {} }, 'v:9': {}, 'f:a': {} }
    assert.equal(JSON.stringify(canonical(set)), '{"f:a":{},"f:b":{".":{},"f:z":{}},"v:9":{},"v:10":{}}')
  })

  it('is made of paths', () => {
    assert.deepEqual(fieldSetOfPaths([['a'], ['a', 'b'], ['c', 'd']]), { 'f:a': { '.': {}, 'f:b': {} }, 'f:c': { 'f:d': {} } })
  })

  it('must have elements of a known form', () => {
    for (const bad of [{ name: {} }, { 'f:a': 1 }, { 'k:x': {} }, { 'k:1': {} }, [], 'x', null]) assert.equal(readFieldSet(bad), undefined)
  })

  it('is read without elements of unknown kinds, and without itself', () => {
    assert.deepEqual(readFieldSet({ '.': {}, 'f:a': { '.': {}, 'q:x': 1 }, 'z:': {} }), { 'f:a': { '.': {} } })
  })

  it('can lose members with all that is below them', () => {
    assert.deepEqual(differenceWithBelow({ 'f:a': { 'f:b': {} }, 'f:c': {} }, { 'f:a': {} }), { 'f:c': {} })
    assert.deepEqual(differenceWithBelow({ 'f:a': { '.': {}, 'f:b': {}, 'f:c': {} } }, { 'f:a': { 'f:b': {} } }), {
      'f:a': { '.': {}, 'f:c': {} },
    })
  })

  it('obeys the laws of sets', () => {
    fc.assert(
      fc.property(someFieldSet, someFieldSet, (a, b) => {
        assert.deepEqual(members(union(a, b)), members(a).union(members(b)))
        assert.deepEqual(members(difference(a, b)), members(a).difference(members(b)))
        assert.deepEqual(members(intersection(a, b)), members(a).intersection(members(b)))
        assert.deepEqual(canonical(difference(union(a, b), b)), canonical(difference(a, b)))
        assert.equal(union(a, a), a)
        assert.equal(difference(a, EMPTY), a)
        assert.deepEqual(difference(a, a), EMPTY)
        assert.equal(readFieldSet(a), a)
        assert.deepEqual(canonical(a), a)
      }),
    )
  })
})
