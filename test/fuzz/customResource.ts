/** A custom resource with what schemas can have, so that the fuzzer finds it among the server's operations. */
import { systemClock } from '../../src/base/clock.ts'
import type { FuzzedServer } from './server.ts'

const GROUP = 'fuzz.example.com'
const PUBLISHED_TIMEOUT_MS = 10_000
const string = { type: 'string' }

const schema = {
  type: 'object',
  'x-kubernetes-validations': [{ rule: '!has(self.spec) || !has(self.spec.replicas) || self.spec.replicas < 1000', message: 'too many' }],
  properties: {
    spec: {
      type: 'object',
      properties: {
        replicas: { type: 'integer', format: 'int32', minimum: 0, default: 1 },
        mode: { type: 'string', enum: ['a', 'b'], default: 'a' },
        pattern: { type: 'string', pattern: '^[a-z]+$', maxLength: 20 },
        port: { 'x-kubernetes-int-or-string': true },
        when: { type: 'string', format: 'date-time' },
        ratio: { type: 'number' },
        labels: { type: 'object', additionalProperties: string },
        anything: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        template: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
        items: {
          type: 'array',
          maxItems: 50,
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: { type: 'object', required: ['name'], properties: { name: string, value: { type: 'integer', format: 'int64' } } },
        },
        tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: string },
        once: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] },
      },
    },
    status: { type: 'object', properties: { replicas: { type: 'integer' }, selector: string } },
  },
}

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `widgets.${GROUP}` },
  spec: {
    group: GROUP,
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: schema },
        selectableFields: [{ jsonPath: '.spec.mode' }],
        additionalPrinterColumns: [{ name: 'Mode', type: 'string', jsonPath: '.spec.mode' }],
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' },
        },
      },
    ],
  },
}

/** Resolves when the server tells of it in its documents. */
export async function createDefinition(server: FuzzedServer): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  const { status, body } = await server.ask({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(definition),
  })
  if (status !== 201) throw new Error(`the definition was not taken: ${body.toString()}`)
  const endMs = Date.now() + PUBLISHED_TIMEOUT_MS
  while (!(await server.ask({ method: 'GET', path: '/openapi/v3' })).body.includes(`apis/${GROUP}/v1`)) {
    if (Date.now() > endMs) throw new Error('the custom resource is not among the documents')
    await systemClock.sleep(50)
  }
}
