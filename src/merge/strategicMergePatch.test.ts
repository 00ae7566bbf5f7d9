import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { loadCatalog } from '../api/catalog/load.ts'
import type { TypeDef } from '../api/catalog/schema.ts'
import { StatusError } from '../api/status.ts'
import type { JsonObject } from './jsonValue.ts'
import { applyStrategicMergePatch } from './strategicMergePatch.ts'

const catalog = loadCatalog()

function typeOf(group: string, kind: string): TypeDef {
  return catalog.typeOfKind({ group, version: 'v1', kind }) as TypeDef
}

const podSpec: JsonObject = {
  containers: [
    {
      name: 'one',
      image: '1',
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
      args: ['x', 'y'],
      ports: [{ containerPort: 80 }],
    },
    { name: 'two', image: '2' },
  ],
  tolerations: [{ key: 't' }],
  volumes: [{ name: 'v', emptyDir: {} }],
}
const pod: JsonObject = { metadata: { finalizers: ['f/1', 'f/2'], labels: { a: '1', b: '2' } }, spec: podSpec }

const patched = (document: JsonObject, patch: unknown, type = typeOf('', 'Pod')): JsonObject =>
  applyStrategicMergePatch(document, structuredClone(patch), type)

const [one, two] = podSpec['containers'] as [JsonObject, JsonObject]

describe('a strategic merge patch', () => {
  const cases: { name: string; spec?: JsonObject; metadata?: JsonObject; result: JsonObject }[] = [
    {
      name: 'merges items by their key',
      spec: { containers: [{ name: 'one', image: 'new' }] },
      result: { containers: [{ ...one, image: 'new' }, two] },
    },
    { name: 'puts new items first', spec: { containers: [{ name: 'three' }] }, result: { containers: [{ name: 'three' }, one, two] } },
    { name: 'deletes items', spec: { containers: [{ name: 'two', $patch: 'delete' }] }, result: { containers: [one] } },
    {
      name: 'deletes items of items',
      spec: { containers: [{ name: 'one', env: [{ name: 'A', $patch: 'delete' }] }] },
      result: { containers: [{ ...one, env: [{ name: 'B', value: '2' }] }, two] },
    },
    {
      name: 'replaces lists when told to',
      spec: { containers: [{ $patch: 'replace' }, { name: 'only' }] },
      result: { containers: [{ name: 'only' }] },
    },
    { name: 'replaces lists without a merge key', spec: { tolerations: [{ key: 'u' }] }, result: { tolerations: [{ key: 'u' }] } },
    {
      name: 'replaces lists of scalars without a strategy',
      spec: { containers: [{ name: 'one', args: ['z'] }] },
      result: { containers: [{ ...one, args: ['z'] }, two] },
    },
    {
      name: 'orders items',
      spec: { '$setElementOrder/containers': [{ name: 'two' }, { name: 'one' }], containers: [{ name: 'two', image: 'new' }] },
      result: { containers: [{ name: 'two', image: 'new' }, one] },
    },
    {
      name: 'orders items that it does not change',
      spec: { '$setElementOrder/containers': [{ name: 'two' }, { name: 'one' }] },
      result: { containers: [two, one] },
    },
    {
      name: 'keeps only the keys that it names',
      spec: { volumes: [{ name: 'v', $retainKeys: ['name', 'configMap'], configMap: { name: 'c' } }] },
      result: { volumes: [{ name: 'v', configMap: { name: 'c' } }] },
    },
    { name: 'removes with null', spec: { tolerations: null, volumes: null }, result: { tolerations: undefined, volumes: undefined } },
    {
      name: 'adds to lists of scalars, new ones first',
      metadata: { finalizers: ['f/3', 'f/1'] },
      result: { finalizers: ['f/3', 'f/1', 'f/2'] },
    },
    {
      name: 'deletes from lists of scalars',
      metadata: { '$deleteFromPrimitiveList/finalizers': ['f/1', 'f/9'] },
      result: { finalizers: ['f/2'] },
    },
    {
      name: 'orders lists of scalars',
      metadata: { '$setElementOrder/finalizers': ['f/2', 'f/1'] },
      result: { finalizers: ['f/2', 'f/1'] },
    },
    { name: 'replaces maps when told to', metadata: { labels: { $patch: 'replace', c: '3' } }, result: { labels: { c: '3' } } },
    { name: 'empties maps when told to', metadata: { labels: { $patch: 'delete' } }, result: { labels: {} } },
    {
      name: 'leaves out directives and nulls of what is new',
      metadata: { annotations: { x: null, y: '1' }, ownerReferences: [{ uid: 'u', $patch: 'delete' }] },
      result: { annotations: { y: '1' }, ownerReferences: [] },
    },
    {
      name: 'merges the maps that are to be deleted from a list',
      spec: { '$deleteFromPrimitiveList/volumes': [{ name: 'v2' }] },
      result: { volumes: [{ name: 'v2' }, { name: 'v', emptyDir: {} }] },
    },
    { name: 'deletes nothing from a map', metadata: { '$deleteFromPrimitiveList/labels': ['a'] }, result: {} },
  ]
  for (const { name, spec, metadata, result } of cases) {
    it(name, () => {
      const before = structuredClone(pod)
      const after = patched(pod, { ...(spec && { spec }), ...(metadata && { metadata }) })
      const [part, original] = spec ? [after['spec'], podSpec] : [after['metadata'], pod['metadata'] as JsonObject]
      const expected = Object.entries({ ...original, ...result }).filter(([, value]) => value !== undefined)
      assert.deepEqual(part, Object.fromEntries(expected))
      assert.deepEqual(pod, before)
    })
  }

  it('is left without what was obeyed of it', () => {
    const patch = {
      metadata: { labels: { l: { x: null } } },
      spec: {
        $retainKeys: ['containers', 'volumes'],
        '$setElementOrder/containers': [{ name: 'one' }],
        containers: [{ name: 'one', image: 'x' }],
        volumes: [{ name: 'v', emptyDir: { $patch: 'replace', medium: 'Memory' } }],
      },
    }
    applyStrategicMergePatch(pod, patch, typeOf('', 'Pod'))
    assert.deepEqual(patch, { metadata: { labels: { l: {} } }, spec: { volumes: [{ name: 'v', emptyDir: { medium: 'Memory' } }] } })
  })

  it('interleaves items that it does not order where the server had them', () => {
    const ports = (...names: string[]): JsonObject => ({ spec: { containers: names.map((name) => ({ name })) } })
    const order = { spec: { '$setElementOrder/containers': [{ name: 'd' }, { name: 'b' }] } }
    assert.deepEqual(patched(ports('a', 'b', 'c', 'd'), order), ports('a', 'c', 'd', 'b'))
  })

  const failures: { patch: unknown; code: number; message: string }[] = [
    {
      patch: { spec: { containers: [{ image: 'x' }] } },
      code: 500,
      message: 'map: map[image:x] does not contain declared merge key: name',
    },
    {
      patch: { spec: { containers: [{ name: 'one', $patch: 'explode' }] } },
      code: 500,
      message: 'unknown patch type: explode in map: map[$patch:explode name:one]',
    },
    { patch: { metadata: { labels: { $patch: 'wat' } } }, code: 500, message: 'unknown patch type: wat in map: map[$patch:wat]' },
    {
      patch: { spec: { '$setElementOrder/containers': [{ name: 'zero' }], containers: [{ name: 'one', image: 'x' }] } },
      code: 500,
      message: "The order in patch list:\n[map[image:x name:one]]\n doesn't match $setElementOrder list:\n[map[name:zero]]\n",
    },
    { patch: { $patch: {} }, code: 500, message: 'unknown patch type: map[] in map: map[$patch:map[]]' },
    { patch: { $patch: [1, null] }, code: 500, message: 'unknown patch type: [%!s(int64=1) <nil>] in map: map[$patch:[1 <nil>]]' },
    {
      patch: { spec: { '$setElementOrder/containers': null } },
      code: 500,
      message: 'expected a []interface {}, but received a %!s(<nil>)',
    },
    {
      patch: { spec: { '$setElementOrder/imagePullSecrets': [], imagePullSecrets: [] } },
      code: 500,
      message: 'no elements in any of the given slices',
    },
    { patch: { spec: { $retainKeys: 'x' } }, code: 400, message: 'invalid patch format of retainKeys' },
    { patch: { spec: { $retainKeys: ['volumes'], containers: [] } }, code: 400, message: 'invalid patch format of retainKeys' },
    { patch: [], code: 400, message: 'json: cannot unmarshal array into Go value of type map[string]interface {}' },
  ]
  for (const { patch, code, message } of failures) {
    it(`fails with ${code}: ${JSON.stringify(patch)}`, () => {
      assert.throws(
        () => patched(pod, patch),
        (error: unknown) => {
          assert.ok(error instanceof StatusError)
          assert.deepEqual([error.code, error.message], [code, message])
          return true
        },
      )
    })
  }

  it('applied twice does what it does once', () => {
    const someName = fc.constantFrom('a', 'b', 'c', 'd')
    const someContainers = fc.uniqueArray(
      fc.record(
        { name: someName, image: someName, args: fc.array(someName, { maxLength: 2 }) },
        { requiredKeys: ['name'], noNullPrototype: true },
      ),
      { selector: ({ name }) => name },
    )
    const somePod = fc.record(
      {
        metadata: fc.record(
          { labels: fc.dictionary(someName, someName, { noNullPrototype: true }), finalizers: fc.uniqueArray(someName) },
          { noNullPrototype: true },
        ),
        spec: fc.record({ containers: someContainers }, { noNullPrototype: true }),
      },
      { requiredKeys: [], noNullPrototype: true },
    )
    fc.assert(
      fc.property(somePod, somePod, (document, patch) => {
        const inputs = structuredClone([document, patch])
        const once = patched(document, patch)
        assert.deepEqual(patched(once, patch), once)
        assert.deepEqual([document, patch], inputs)
      }),
    )
  })
})
