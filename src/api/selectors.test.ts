import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatLabelSelector,
  formatRequirements,
  labelSelectorMatches,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  selectsAll,
} from './selectors.ts'
import { quote } from './quote.ts'

test("label selectors match as upstream's do", () => {
  const labels = { app: 'web', tier: 'front', lvl: '5', in: 'x' }
  for (const [text, want] of [
    ['', true],
    ['app', true],
    ['!app', false],
    ['!nope', true],
    ['app=web', true],
    ['app==web', true],
    ['app = web', true],
    ['app!=web', false],
    ['nope!=x', true],
    ['app in (web,api)', true],
    ['app notin (web)', false],
    ['nope notin (a)', true],
    ['nope in (a)', false],
    ['lvl>4', true],
    ['lvl<5', false],
    ['app>4', false],
    ['app=web,tier=front', true],
    ['app=web,tier=back', false],
    ['in in (x)', true],
    ['in=x', true],
    ['app in ()', false],
    ['app=', false],
    ['app,tier', true],
    ['app in (,web)', true],
  ] as const)
    assert.equal(matchesLabels(parseLabelSelector(text), labels), want, text)
})

test('and fail with its words', () => {
  for (const [text, message] of [
    ['a in b', "unable to parse requirement: found 'b' expected: '('"],
    ['a=b=c', "found '=', expected: ',' or 'end of string'"],
    ['==', "found '==', expected: !, identifier, or 'end of string'"],
    ['a,', "found '', expected: identifier after ','"],
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['a in (b', "unable to parse requirement: found '', expected: ',' or ')'"],
    ['a>x', "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"],
  ] as const)
    assert.throws(() => parseLabelSelector(text), { name: 'SelectorError', message }, text)
  assert.throws(() => parseLabelSelector('a=b c'), /found 'c', expected: ',' or 'end of string'/)
  assert.throws(
    () => parseLabelSelector('a=-x-'),
    /^SelectorError: unable to parse requirement: values\[0\]\[a\]: Invalid value: "-x-": a valid label must be/,
  )
  assert.throws(() => parseLabelSelector('_a=b'), /unable to parse requirement: <nil>: Invalid value: "_a": name part must consist of/)
})

test('a LabelSelector: none selects nothing, an empty one everything', () => {
  assert.equal(labelSelectorMatches(undefined, { a: 'b' }), false)
  assert.equal(labelSelectorMatches({}, undefined), true)
  const selector = { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'NotIn', values: ['d', 'c'] }] }
  assert.equal(labelSelectorMatches(selector, { a: 'b', c: 'x' }), true)
  assert.equal(labelSelectorMatches(selector, { a: 'b', c: 'd' }), false)
  assert.equal(formatLabelSelector(selector), 'a=b,c notin (c,d)')
  assert.equal(selectsAll({ a: 'b' }, { a: 'b', c: 'd' }), true)
  assert.equal(selectsAll({ a: 'b' }, undefined), false)
})

test('printing and parsing again is the same', () => {
  for (const text of ['a', '!a', 'a=b', 'a!=b', 'a in (b,c)', 'a notin (b)', 'a>1', 'a<1', 'a=b,c,d in (e)'])
    assert.equal(formatRequirements(parseLabelSelector(text)), text)
})

test('field selectors', () => {
  const fields: Record<string, string> = { 'metadata.name': 'a', 'spec.nodeName': '', x: 'a,b' }
  const matches = (text: string): boolean => matchesFields(parseFieldSelector(text), (f) => fields[f] ?? '')
  assert.equal(matches('metadata.name=a,spec.nodeName='), true)
  assert.equal(matches('metadata.name!=a'), false)
  assert.equal(matches('metadata.name==a'), true)
  assert.equal(matches('x=a\\,b'), true)
  assert.deepEqual(parseFieldSelector(''), [])
  assert.throws(() => parseFieldSelector('a'), { message: "invalid selector: 'a'; can't understand 'a'" })
  assert.throws(() => parseFieldSelector('a=b=c'), { message: 'invalid field selector: unescaped character in value: 61' })
  assert.deepEqual(parseFieldSelector('==')[0], { field: '', value: '', negated: false })
})

test('what is no space of Go’s is part of a name', () => {
  for (const name of ['\u2028', '\u007f', '\u00a0'])
    assert.throws(() => parseLabelSelector(name), new RegExp(`Invalid value: ${quote(name).replaceAll('\\', '\\\\')}: `))
})
