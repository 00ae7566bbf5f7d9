import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import type { JsonValue, KubeObject } from '../../api/resource.ts'
import { StatusError } from '../../api/status.ts'
import { converterOf } from './conversion.ts'
import type { Json } from './jsonSchema.ts'

const definition = {
  spec: {
    group: 'x.io',
    names: { kind: 'Thing' },
    conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: 'https://x' } } },
  },
} as unknown as CustomResourceDefinition

const thing = (apiVersion: string): KubeObject =>
  ({ apiVersion, kind: 'Thing', metadata: { name: 'a', namespace: 'n', uid: 'u', labels: { l: '1' } } }) as unknown as KubeObject

/** What becomes of an object for which the webhook answers that: its metadata, or why not. */
async function outcomeOf(change: (converted: Json) => JsonValue, response: Json = {}): Promise<unknown> {
  const call = ({ body }: { body: Readonly<Record<string, unknown>> }): Promise<Json> => {
    const { uid, desiredAPIVersion } = body['request'] as { uid: string; desiredAPIVersion: string }
    const converted = change(thing(desiredAPIVersion) as unknown as Json)
    const answer = { uid, result: { status: 'Success' }, convertedObjects: [converted], ...response }
    return Promise.resolve({ kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1', response: answer })
  }
  try {
    const [made] = await converterOf(definition, { call }).convert([thing('x.io/v1')], 'x.io/v2', new AbortController().signal)
    return made?.metadata
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error))
    return error.message
  }
}

test('a conversion changes labels and annotations of the metadata, and nothing else of it', async () => {
  const withMetadata =
    (metadata: Json) =>
    (converted: Json): Json => ({ ...converted, metadata: { ...(converted['metadata'] as Json), ...metadata } })
  const kept = { name: 'a', namespace: 'n', uid: 'u' }
  assert.deepEqual(await outcomeOf(withMetadata({ labels: { q: '2' }, finalizers: ['x/y'] })), { ...kept, labels: { q: '2' } })
  assert.deepEqual(await outcomeOf(withMetadata({ labels: null })), kept)

  const of = 'conversion webhook for x.io/v1, Kind=Thing '
  const rows: [(converted: Json) => JsonValue, string][] = [
    [() => null, 'unexpected end of JSON input'],
    [() => 'x', 'json: cannot unmarshal string into Go value of type map[string]interface {}'],
    [() => ({ apiVersion: 'x.io/v2' }), `Object 'Kind' is missing in '{"apiVersion":"x.io/v2"}'`],
    [
      (converted) => ({ ...converted, apiVersion: 'x.io/v1' }),
      `${of}returned invalid object at index 0: invalid groupVersion (expected x.io/v2, received x.io/v1)`,
    ],
    [
      (converted) => ({ ...converted, kind: 'Other' }),
      `${of}returned invalid object at index 0: invalid kind (expected Thing, received Other)`,
    ],
    [({ metadata: _, ...converted }) => converted, `${of}returned invalid object: must have the same name: a != `],
    [withMetadata({ uid: 'other' }), `${of}returned invalid object: must have the same UID: u != other`],
    [withMetadata({ labels: 'x' }), `${of}returned invalid metadata: invalid metadata.labels of type string in converted object`],
    [
      withMetadata({ labels: { a: 1 } }),
      `${of}returned invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object`,
    ],
  ]
  for (const [change, message] of rows) assert.equal(await outcomeOf(change), message)
  assert.equal(await outcomeOf((converted) => converted, { convertedObjects: [] }), `${of}returned 0 objects, expected 1`)
  assert.equal(await outcomeOf((converted) => converted, { result: { status: 'Failure', message: 'no' } }), `${of}failed: no`)
})
