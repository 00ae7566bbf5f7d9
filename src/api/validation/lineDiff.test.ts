import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lineDiff } from './lineDiff.ts'

test('what changed is told in hunks, of which near ones are one', () => {
  assert.equal(lineDiff({ a: 1 }, { a: 1 }), '')
  assert.equal(lineDiff({ a: 1 }, { a: 2 }), '@@ -1,3 +1,3 @@\n {\n- "a": 1\n+ "a": 2\n }\n')
  const list = (...items: number[]): number[] => items
  assert.equal(lineDiff(list(1, 2, 3, 4), list(1, 9, 3, 4, 5)), '@@ -1,6 +1,7 @@\n [\n  1,\n- 2,\n+ 9,\n  3,\n- 4\n+ 4,\n+ 5\n ]\n')
  const long = Array.from({ length: 12 }, (_, i) => i)
  assert.equal(
    lineDiff([...long, 'x'], ['y', ...long, 'z']),
    '@@ -1,4 +1,5 @@\n [\n+ "y",\n  0,\n  1,\n  2,\n@@ -11,5 +12,5 @@\n  9,\n  10,\n  11,\n- "x"\n+ "z"\n ]\n',
  )
})

test('in a long text no run begins with a line that is everywhere', () => {
  const item = (name: string): object => ({ name, kind: null })
  const many = Array.from({ length: 60 }, (_, i) => item(`n${i}`))
  const diff = lineDiff(many, [...many.slice(0, 30), item('new'), ...many.slice(30)])
  const lines = [
    '  },',
    '  {',
    '   "name": "n29",',
    '+  "kind": null',
    '+ },',
    '+ {',
    '+  "name": "new",',
    '   "kind": null',
    '  },',
    '  {',
    '',
  ]
  assert.equal(diff, `@@ -117,6 +117,10 @@\n${lines.join('\n')}`)
})
