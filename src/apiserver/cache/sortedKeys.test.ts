import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SortedKeys } from './sortedKeys.ts'

const key = fc.tuple(fc.constantFrom('/pods/a/', '/pods/b/'), fc.nat(40)).map(([prefix, n]) => `${prefix}${n}`)
const step = fc.oneof(
  fc.record({ add: key }),
  fc.record({ delete: key }),
  fc.record({ under: fc.constantFrom('/pods/', '/pods/a/', '/pods/b/', '/pods/c/'), after: fc.option(key, { nil: undefined }) }),
)

test('whatever comes and goes, a list has what is there, in order', () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 20 }), fc.array(step, { maxLength: 120 }), (first, steps) => {
      const keys = new SortedKeys()
      const there = new Set(first)
      keys.replace(there)
      for (const one of steps) {
        if ('add' in one) {
          keys.add(one.add)
          there.add(one.add)
        } else if ('delete' in one) {
          keys.delete(one.delete)
          there.delete(one.delete)
        } else {
          const expected = [...there].filter((k) => k.startsWith(one.under) && (one.after === undefined || k > one.after)).sort()
          assert.deepEqual([...keys.under(one.under, one.after)], expected)
        }
      }
    }),
  )
})

test('thousands of changes that nobody lists in between', () => {
  const keys = new SortedKeys()
  for (let i = 0; i < 5_000; i++) {
    keys.add(`/events/${i % 2 ? 'odd' : 'even'}-${i}`)
    if (i >= 100) keys.delete(`/events/${(i - 100) % 2 ? 'odd' : 'even'}-${i - 100}`)
  }
  const left = Array.from({ length: 100 }, (_, i) => `/events/${i % 2 ? 'odd' : 'even'}-${4_900 + i}`)
  assert.deepEqual([...keys.under('/events/')], left.sort())
})
