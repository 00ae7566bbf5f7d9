import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonText, prettyJsonText } from './jsonText.ts'

test('what could be HTML is escaped', () => {
  const value = { '<a>': '&\u2028"' }
  assert.equal(jsonText(value), String.raw`{"\u003ca\u003e":"\u0026\u2028\""}`)
  assert.deepEqual(JSON.parse(jsonText(value)), value)
})

test('the version has its place among the metadata', () => {
  const pretty = prettyJsonText({ metadata: { name: 'a', uid: 'u', generation: 1, labels: {}, resourceVersion: '5' } })
  assert.deepEqual(Object.keys((JSON.parse(pretty) as { metadata: object }).metadata), [
    'name',
    'uid',
    'resourceVersion',
    'generation',
    'labels',
  ])
  assert.match(pretty, /^\{\n  "metadata": \{\n    "name": "a",\n/)
})
