import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { JsonValue } from '../resource.ts'
import { parseYaml } from './yaml.ts'
import { compareKeys, encodeYaml } from './yamlText.ts'

test('strings are quoted where their text asks for it', () => {
  const cases: [string, string][] = [
    ['plain text', 'plain text'],
    ['', '""'],
    ['true', '"true"'],
    ['1e3', '"1e3"'],
    ['0o7', '"0o7"'],
    ['1_000', '"1_000"'],
    ['12:30:45', '"12:30:45"'],
    ['2020-01-01', '"2020-01-01"'],
    ['2020-01-01T00:00:00Z', '"2020-01-01T00:00:00Z"'],
    ['2020-13', '2020-13'],
    ['.', '.'],
    ['=', '='],
    ['<<', '<<'],
    ["it's", "it's"],
    ['&a', "'&a'"],
    ['- x', "'- x'"],
    ['-x', '-x'],
    ['a: b', "'a: b'"],
    ['a:b', 'a:b'],
    [' x', "' x'"],
    ["'q'", "'''q'''"],
    ['a\tb', String.raw`"a\tb"`],
    ['é \u2028\u0001', String.raw`"é \L\x01"`],
    ['😀', String.raw`"\U0001F600"`],
    ['a\nb', '|-\n  a\n  b'],
    ['a\n', '|\n  a'],
    ['a\n\n', '|+\n  a\n'],
    [' a\nb', '|2-\n   a\n  b'],
    ['a \nb', String.raw`"a \nb"`],
  ]
  for (const [text, expected] of cases) assert.equal(encodeYaml({ k: text }), `k: ${expected}\n`)
})

test('long lines are folded at the first space behind the width', () => {
  const words = `${'word '.repeat(20)}end`
  assert.equal(encodeYaml({ a: { k: words } }), `a:\n  k: ${'word '.repeat(15)}word\n    ${'word '.repeat(4)}end\n`)
  assert.equal(encodeYaml({ k: `# ${words}` }), `k: '# ${'word '.repeat(15)}word\n  ${'word '.repeat(4)}end'\n`)
  assert.equal(encodeYaml({ k: 'x'.repeat(100) }), `k: ${'x'.repeat(100)}\n`)
})

test('maps and lists', () => {
  const value = { b: [{ w: 1, x: [] }, [1, [2]], 'z', {}], a: { c: null, true: false }, '.': {}, f: 1.5 }
  const text = '.: {}\na:\n  c: null\n  "true": false\nb:\n- w: 1\n  x: []\n- - 1\n  - - 2\n- z\n- {}\nf: 1.5\n'
  assert.equal(encodeYaml(value), text)
  const long = 'k'.repeat(129)
  assert.equal(encodeYaml({ [long]: { a: 1 } }), `? ${long}\n: a: 1\n`)
})

test('keys are in natural order', () => {
  const keys = ['a10', 'a2', 'a', 'B', 'b.', 'f:x', '.', 'a02', '10', '9']
  assert.deepEqual(keys.toSorted(compareKeys), ['.', '9', '10', 'B', 'a', 'a2', 'a02', 'a10', 'b.', 'f:x'])
})

test('law: what is written is read as it was', () => {
  const word = fc.string({ unit: fc.constantFrom(...'ab 0:-#\'"\n\t\\,[]{}é.~'), maxLength: 60 })
  const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      word,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(word, tie('value'), { maxKeys: 4 }),
    ),
  }))
  fc.assert(
    fc.property(fc.dictionary(word, value, { maxKeys: 4 }), (object) => {
      assert.deepEqual(parseYaml(encodeYaml(object)).value, JSON.parse(JSON.stringify(object)))
    }),
  )
})
