import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJsonPath } from './jsonPath.ts'
import { findAll } from './jsonPathSearch.ts'

const object = {
  spec: { size: 3, 'a.b': 'dotted', none: null, text: 'ab' },
  items: [
    { name: 'x', n: 1, on: true },
    { name: 'y', n: 2.5 },
    { name: 'z', n: 3 },
  ],
  conditions: [
    { type: 'Ready', status: 'True' },
    { type: 'Other', status: 'False' },
  ],
}

test('what a path finds', () => {
  const cases: [path: string, found: unknown[]][] = [
    ['.spec.size', [3]],
    ['$.spec.size', [3]],
    ['@.spec.size', [3]],
    [' .spec.size', [3]],
    [String.raw`.spec.a\.b`, ['dotted']],
    [String.raw`.spec['a\.b']`, ['dotted']],
    [".spec['a.b']", []],
    [String.raw`.spec['a\.b'].none`, []],
    ['.items[0:1].name', ['x']],
    ['.items[1:].name', ['y', 'z']],
    ['.items[:-1].name', ['x', 'y']],
    ['.items[::2].name', ['x', 'z']],
    ['.items[1:1].name', []],
    ['.items[0,2].name', ['x', 'z']],
    [".items[0]['name', 'n']", ['x', 1]],
    ['..name', ['x', 'y', 'z']],
    ['.spec..size', [3]],
    ['.items[1].name', ['y']],
    ['.items[-1].name', ['z']],
    ['.items[*].name', ['x', 'y', 'z']],
    ['.items[0].*', [1, 'x', true]],
    ['.conditions[?(@.type=="Ready")].status', ['True']],
    [".conditions[?(@.type=='Ready')].status", ['True']],
    ['.conditions[?(@.type!="Ready")].status', ['False']],
    ['.items[?(@.name>="y")].name', ['y', 'z']],
    ['.items[?(@.on)].name', ['x']],
    ['.items[?(@.on==true)].name', ['x']],
    ['.items[?(1==1)].name', ['x', 'y', 'z']],
    ['.spec.none', [null]],
    ['.spec.none[0]', []],
    ['.spec.absent.more', []],
    ['.absent[0]', []],
    ['.spec.text.*', [97, 98]],
  ]
  for (const [path, found] of cases) {
    const parsed = parseJsonPath(path)
    assert.ok(parsed, path)
    assert.deepEqual(findAll(parsed, object), found, path)
  }
})

test('what does not fit finds nothing at all', () => {
  const paths = [
    'spec.size',
    '.spec[0]',
    '.spec[*]',
    '.items[3]',
    '.items[-4]',
    '.items[2:1]',
    '.items[0:9]',
    '.items[::0]',
    // Whole numbers are not compared with others, nor truths with one another.
    '.items[?(@.n>1)]',
    '.items[?(@.on>true)]',
    '.items[?(@.n=="1")]',
    '.items[?(@.n===1)]',
    '.spec[?(@.size)]',
  ]
  for (const path of paths) assert.equal(findAll(parseJsonPath(path) ?? [], object), undefined, path)
})

test('what is no path', () => {
  const texts = [
    '.spec["a"]',
    '.items[a]',
    '.items[',
    '.items[-]',
    '....a',
    '{.spec}',
    '.a,',
    '.items[?(@.a]',
    '.items[?(@.a=="b" || @.a)]',
    "'a",
    '-',
  ]
  for (const text of texts) assert.equal(parseJsonPath(text), undefined, text)
})
