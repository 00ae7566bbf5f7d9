import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isWellEscaped, parseQuery } from './query.ts'

test('pairs that are not well-formed are left out', () => {
  const cases: [text: string, pairs: [string, string][]][] = [
    [
      'a=1&b=2',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['a=%20+b', [['a', '  b']]],
    ['limit=%zz&a=1', [['a', '1']]],
    ['limit=1%&a=1', [['a', '1']]],
    ['a;b', []],
    ['a=1;b=2&c=3', [['c', '3']]],
    ['%zz=1', []],
    ['', []],
  ]
  for (const [text, pairs] of cases) assert.deepEqual([...parseQuery(text)], pairs, text)
})

test('each % of a path begins an escape', () => {
  for (const good of ['/a', '/a%2Fb', '/%ff']) assert.ok(isWellEscaped(good), good)
  for (const bad of ['/%', '/%2', '/%zz', '/a%2Fb%']) assert.ok(!isWellEscaped(bad), bad)
})
