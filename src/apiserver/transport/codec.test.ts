import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import { Codec } from './codec.ts'

const catalog = loadCatalog()
const codec = new Codec(catalog)

function decode(body: object, kind: { group: string; version: string; kind: string }, options = false): string {
  const type = catalog.typeOfKind(kind) as TypeDef
  try {
    const { object } = codec.decode(Buffer.from(JSON.stringify(body)), 'application/json', { kind, type, fieldValidation: '', options })
    return `${String(object['apiVersion'])} ${String(object['kind'])}`
  } catch (error) {
    return (error as Error).message
  }
}

test('what a body says of its version and kind', () => {
  const kind = { group: '', version: 'v1', kind: 'ConfigMap' }
  const body = (apiVersion: string, of = 'ConfigMap'): object => ({ apiVersion, kind: of })
  const inVersion = (version: string, of: string, why: string): string =>
    `${of} in version "${version}" cannot be handled as a ConfigMap: ${why}`
  for (const [sent, answer] of [
    [body(''), 'v1 ConfigMap'],
    [body('/'), 'v1 ConfigMap'],
    [body('/v1'), 'v1 ConfigMap'],
    [body('x/'), inVersion('', 'ConfigMap', `Object 'apiVersion' is missing in '{"apiVersion":"x/","kind":"ConfigMap"}'`)],
    [
      body('a/b/c'),
      'the object provided is unrecognized (must be of type ConfigMap): unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c","kind":" ...)',
    ],
    [body('v7', 'Status'), inVersion('v7', 'Status', 'converting (v1.Status) to (core.ConfigMap): unknown conversion')],
    [body('v1', 'Pod'), inVersion('v1', 'Pod', 'converting (v1.Pod) to (core.ConfigMap): unknown conversion')],
  ] as const)
    assert.equal(decode(sent, kind), answer, JSON.stringify(sent))
})

test('options are of a group of their own', () => {
  const kind = { group: '', version: 'v1', kind: 'DeleteOptions' }
  const scheme = 'in scheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"'
  for (const [apiVersion, of, answer] of [
    ['v1', 'DeleteOptions', 'v1 DeleteOptions'],
    ['', 'Pod', `no kind "Pod" is registered for version "meta.k8s.io/v1" ${scheme}`],
    ['v1', 'Pod', `no kind "Pod" is registered for version "v1" ${scheme}`],
    ['v1', 'Status', 'converting (v1.Status) to (v1.DeleteOptions): unknown conversion'],
    ['a/b/c', 'DeleteOptions', 'unexpected GroupVersion string: a/b/c'],
  ] as const)
    assert.equal(decode({ apiVersion, kind: of }, kind, true), answer, `${apiVersion} ${of}`)
})
