import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../catalog/load.ts'
import type { TypeDef } from '../catalog/schema.ts'
import { decodeYaml, parseYaml, warningsOf } from './yaml.ts'
import { encodeYaml } from './yamlText.ts'

const configMap = loadCatalog().typeOfKind({ group: '', version: 'v1', kind: 'ConfigMap' }) as TypeDef

test('reads YAML 1.1 as go-yaml does', () => {
  const { value } = parseYaml(
    'a: yes\nb: off\nc: 0777\nc2: 0o17\nd: 2020-01-01\ne: 1:30\nf: ~\ng: 0x1F\nh: "yes"\n1: x\ni: 1_000\nj: .5\nk: |\n  one\n  two\n',
  )
  assert.deepEqual(value, {
    1: 'x',
    a: true,
    b: false,
    c: 511,
    c2: 15,
    d: '2020-01-01',
    e: '1:30',
    f: null,
    g: 31,
    h: 'yes',
    i: 1000,
    j: 0.5,
    k: 'one\ntwo\n',
  })
  assert.deepEqual(parseYaml('base: &b {x: 1}\nother:\n  <<: *b\n  z: 2\n').value, { base: { x: 1 }, other: { x: 1, z: 2 } })
  assert.deepEqual(parseYaml('').value, null)
  assert.deepEqual(parseYaml('a: 1\n---\nb: 2\n').value, { a: 1 })
})

test('double keys and unknown fields are strict errors, unknown ones sorted', () => {
  const body = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y2, odd: 1}\ndata: {k: v}\ndata: {k: w}\nbogus: 1\n'
  const { object, strictErrors } = decodeYaml(body, configMap)
  assert.deepEqual(object, { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'y2' }, data: { k: 'w' } })
  assert.deepEqual(strictErrors, [
    'yaml: unmarshal errors:\n  line 5: key "data" already set in map',
    'unknown field "bogus"',
    'unknown field "metadata.odd"',
  ])
})

test('keys that are there twice are told in the order in which they are read', () => {
  for (const [body, value, doubles] of [
    ['a: 1\na: 2', { a: 2 }, ['line 2: key "a" already set in map']],
    ['{"a":{"b":1,"b":2}}', { a: { b: 2 } }, ['line 1: key "b" already set in map']],
    ['a:\n  b: 1\na:\n  c: 1', { a: { c: 1 } }, ['line 4: key "a" already set in map']],
    ['1: x\n1: z\ntrue: x\nyes: z', { 1: 'z', true: 'z' }, ['line 2: key 1 already set in map', 'line 4: key true already set in map']],
    ['x: &a {k: v}\nz: {<<: *a, k: w}', { x: { k: 'v' }, z: { k: 'w' } }, ['line 2: key "k" already set in map']],
    ['x: &a {k: v}\nz: {k: w, <<: *a}', { x: { k: 'v' }, z: { k: 'v' } }, ['line 1: key "k" already set in map']],
    ['x: &a {k: 1, k: 2}\nz: *a', { x: { k: 2 }, z: { k: 2 } }, Array(2).fill('line 1: key "k" already set in map')],
  ] as const) {
    const parsed = parseYaml(body)
    assert.deepEqual(parsed.value, value, body)
    assert.deepEqual(warningsOf(parsed.strictErrors), doubles, body)
  }
  assert.deepEqual(parseYaml('"1": x\n01: z').strictErrors, [])
})

test("syntax errors are go-yaml's", () => {
  for (const [body, message] of [
    ['a: [unclosed', "yaml: line 1: did not find expected ',' or ']'"],
    ['a: {b: 1', "yaml: line 1: did not find expected ',' or '}'"],
    ['a: b: c', 'yaml: mapping values are not allowed in this context'],
    ['x: y\na: b: c', 'yaml: line 2: mapping values are not allowed in this context'],
    ['a: [', 'yaml: line 1: did not find expected node content'],
    ['key: [a, b\nc: d', "yaml: line 1: did not find expected ',' or ']'"],
    ['a: ]', 'yaml: did not find expected node content'],
    ['\ta: b', 'yaml: found character that cannot start any token'],
    ['a:\n\tb: c', 'yaml: line 2: found character that cannot start any token'],
    ['a: {~: b}', 'unsupported map key of type: %!s(<nil>), key: <nil>, value: "b"'],
    ['{[a]: b}', 'yaml: invalid map key: []interface {}{"a"}'],
    ['%YAML 3.0\n---\na: b', 'yaml: found incompatible YAML document'],
    ['%YAML 1.2\n---\na: b', 'yaml: found incompatible YAML document'],
    ['a: b\n\tc: d', 'yaml: line 2: found a tab character that violates indentation'],
    ['a: "b', 'yaml: found unexpected end of stream'],
    ['a: *x', "yaml: unknown anchor 'x' referenced"],
    ['a: .inf', 'json: unsupported value: +Inf'],
    ['a:\n  - b\n - c', 'yaml: line 2: did not find expected key'],
    ['a: b\n c: d', 'yaml: line 2: mapping values are not allowed in this context'],
    ['a: b\n- c', 'yaml: line 1: did not find expected key'],
    ['a: &a [*a]', "yaml: anchor 'a' value contains itself"],
    ['a: !!int x', 'yaml: cannot decode !!str `x` as a !!int'],
    ['a: !!binary x', 'yaml: !!binary value contains invalid base64 data'],
    ['a: - b', 'yaml: block sequence entries are not allowed in this context'],
    ['a: [1,,2]', 'yaml: did not find expected node content'],
    ['a: "\\x1"', 'yaml: did not find expected hexdecimal number'],
  ] as const)
    assert.throws(() => parseYaml(body), { name: 'YamlSyntaxError', message }, body)
})

test('aliases do not multiply without end', () => {
  const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(', ')}]`)
  assert.throws(() => parseYaml(['l0: &l0 [x]', ...levels].join('\n')), /excessive aliasing/)
})

test('of many documents only the first is read', () => {
  assert.deepEqual(parseYaml('a: 1\n---\nb: [unclosed').value, { a: 1 })
  assert.deepEqual(parseYaml(`a: 1\n---\nb: 2\n---\nc: ${'['.repeat(20_000)}`).value, { a: 1 })
  assert.throws(() => parseYaml(`a: ${'['.repeat(20_000)}`), { message: 'yaml: exceeded max depth of 10000' })
})

test('what is written reads back', () => {
  const value = {
    metadata: { name: 'yes', labels: { a: 'true', b: '1' } },
    data: { text: 'one\ntwo\n', empty: '' },
    list: [{ b: 1, a: 2 }],
    none: [],
  }
  const text = encodeYaml(value)
  assert.deepEqual(parseYaml(text).value, value)
  assert.equal(encodeYaml({ '.': {}, t: '2026-01-01T00:00:00Z' }), '.: {}\nt: "2026-01-01T00:00:00Z"\n')
  assert.deepEqual(parseYaml('.: {}').value, { '.': {} })
  assert.equal(encodeYaml({ b: [{ w: 1, x: 'z' }], a: { c: 'true' } }), 'a:\n  c: "true"\nb:\n- w: 1\n  x: z\n')
})
