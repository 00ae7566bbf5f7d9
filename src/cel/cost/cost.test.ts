import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compile } from '../compile.ts'
import type { CelType, Environment } from '../program.ts'

const S: CelType = { kind: 'string' }
const I: CelType = { kind: 'int' }
const D: CelType = { kind: 'double' }
const B: CelType = { kind: 'bool' }
const list = (of: CelType, maxItems?: number): CelType => ({ kind: 'list', of, ...(maxItems !== undefined && { maxItems }) })
const map = (of: CelType, maxProperties?: number): CelType => ({ kind: 'map', of, ...(maxProperties !== undefined && { maxProperties }) })
const object = (fields: Record<string, CelType>): CelType => ({ kind: 'object', name: 'object', fields: new Map(Object.entries(fields)) })
const upTo = (maxLength: number): CelType => ({ kind: 'string', maxLength })

/** The numbers are those of a real API server's library for the same rules. */
test('estimates of what a rule can cost', () => {
  const rows: readonly (readonly [self: CelType, rule: string, cost: number])[] = [
    [list(D), 'self.all(x, true)', 4_718_591],
    [list(D, 10), 'self.all(x, true)', 32],
    [list(S), 'self.all(x, true)', 3_145_727],
    [list(B), 'self.all(x, true)', 1_887_437],
    [list(list(D)), 'self.all(x, true)', 3_145_727],
    [map(D), 'self.all(x, true)', 1_348_169],
    [map(S), 'self.all(x, true)', 1_179_647],
    [map(B), 'self.all(x, true)', 943_718],
    [list({ kind: 'duration' }), 'self.all(x, true)', 2_359_295],
    [list({ kind: 'timestamp' }), 'self.all(x, true)', 428_963],
    [list({ kind: 'timestamp', isDate: true }), 'self.all(x, true)', 725_936],
    [S, "self.contains('test')", 314_574],
    [upTo(10), "self.contains('test')", 5],
    [S, "self.startsWith('test')", 2],
    [S, "size(self + 'hello') > size('hello')", 314_578],
    [upTo(4), "size(self + 'hello') > size('hello')", 7],
    [list(D), 'self[1] == 0.0', 2],
    [list(S), 'self[1] == self[1]', 314_577],
    [list(D, 10), 'self.all(x, self.all(y, true))', 352],
    [list(D, 10), 'self.all(x, self.all(y, self.all(z, true)))', 3552],
    [S, "self.matches('x')", 314_574],
    [upTo(50), "self.matches('x')", 22],
    [S, "''.matches('(((((((((())))))))))[0-9]')", 7],
    [S, "self.matches('')", 1],
    [map(S), 'self.all(x, x.contains(self[x]))', 2_752_507],
    [upTo(0), "self == 'x'", 1],
    [list(D), 'self.all(x, x == 0.0)', 6_291_454],
    [list({ kind: 'dyn' }), 'self[0] == 5', 3],
    [list(map(D), 12), 'self.all(x, x.y == 25.2)', 74],
    [list({ kind: 'duration' }), 'self[0].getHours() == 2', 4],
    [map({ kind: 'timestamp' }), "self['a'] == self['b']", 8],
    [S, "self.find('[0-9]+') == ''", 629_147],
    [list(S), "self.join(' ') == 'aa bb'", 329_853_068_905],
    [list(upTo(10), 10), "self.join(' ') == 'aa bb'", 43],
    [list(S), 'self.isSorted() == true', 329_854_432_052],
    [object({ str: S, before: upTo(2), after: upTo(4) }), "self.str.replace(self.before, self.after) == 'x'", 629_153],
    [object({ str: S, separator: S }), 'self.str.split(self.separator) == []', 629_160],
    [S, "self.lowerAscii() == 'lower!'", 314_575],
    [map(I), 'oldSelf.size() == self.size()', 5],
    [{ kind: 'string', maxSize: 9 }, "self.contains('A')", 2],
    [{ kind: 'dyn', maxLength: 20 }, 'isQuantity(self)', 9],
  ]
  for (const [self, rule, cost] of rows) {
    assert.equal(compile(rule, { variables: { self, oldSelf: self } }).estimatedCost, cost, rule)
  }
  // As many items as Go counts from the first to one before it.
  assert.equal(compile('self.slice(1, 0).size() == 0', { variables: { self: list(D, 10) } }).estimatedCost > 10_000_000, true)
  assert.equal(compile('self.all(x, self.all(y, true))', { variables: { self: list(D) } }).estimatedCost > 10_000_000, true)
})

function check(self: CelType, value: unknown, rules: Readonly<Record<string, number>>): void {
  const environment: Environment = { variables: { self } }
  for (const [rule, cost] of Object.entries(rules)) {
    const budget = { remaining: 0 }
    assert.equal(compile(rule, environment).evaluate({ self: value }, { budget }), true, rule)
    assert.equal(-budget.remaining, cost, rule)
  }
}

test('what evaluations cost', () => {
  check(
    object({ array: list(I) }),
    { array: [1, 1, 2, 2, 3, 3, 4, 5] },
    {
      '2 in self.array': 10,
      'self.array.all(e, e > 0)': 43,
      'self.array.exists(e, e > 2)': 36,
      'self.array.exists_one(e, e > 4)': 22,
      '!self.array.exists(e, e < 0)': 52,
      'size(self.array.filter(e, e % 2 == 0)) == 3': 68,
      'self.array.map(e, e * 20).filter(e, e > 50).exists(e, e == 60)': 194,
      'self.array.transformList(i, e, e > 2, e * 2).size() > 0': 77,
    },
  )
  const item = object({ k: S, v: S, v2: S })
  check(
    object({ items: { kind: 'list', of: item, listType: 'map', mapKeys: ['k'] } }),
    {
      items: [
        { k: 'a1', v: 'b1' },
        { k: 'a2', v: 'b2' },
        { k: 'a3', v: 'b3', v2: 'z' },
      ],
    },
    {
      'has(self.items[0].v)': 3,
      "self.items.all(m, m.k.startsWith('a'))": 21,
      "self.items.all(m, !has(m.v2) || m.v2 == 'z')": 21,
      "self.items.map(m, m.v).exists(v, v == 'b1')": 55,
      "self.items.map(m, has(m.v2) && m.v2 == 'z', m.v2).size() == 1": 25,
      // What fails costs, too.
      "self.items.exists(m, m.v2 == 'z')": 24,
      "!self.items.all(m, m.v2 != 'z')": 22,
    },
  )
  check(
    object({ val: map(I) }),
    { val: { b: 1, d: 2 } },
    {
      "!('a' in self.val)": 4,
      'has(self.val.b)': 2,
      'self.val.all(k, self.val[k] > 0)': 17,
      'self.val.all(k, v, v > 0)': 13,
      'self.val.transformMap(k, v, v + 1).size() == 2': 15,
      "self.val.transformMapEntry(k, v, {k + '2': v + 1}).size() == 2": 77,
    },
  )
  check(S, 'Rook takes 👑', {
    "self.matches('^[^0-9]*$')": 7,
    "self.replace(' ', 'x', 1) == 'Rookxtakes 👑'": 6,
    "self.substring(4, 10).trim() == 'takes'": 5,
    "self in ['a', 'Rook takes 👑']": 1,
  })
  check(list(S), ['a', 'b', 'c'], {
    "sets.contains(self, ['a'])": 5,
    "sets.equivalent(self, ['a', 'b', 'c'])": 20,
  })
  check({ kind: 'dyn' }, '25%', {
    "type(self) == int ? self == 1 : self == '25%'": 5,
    "'%d %s'.format([1, 'abc']) == '1 abc'": 2,
    'double(5) < 10.0': 1,
  })
})
