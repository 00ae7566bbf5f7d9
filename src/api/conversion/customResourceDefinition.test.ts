import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../resource.ts'
import { definitionToV1 } from './customResourceDefinition.ts'

const schema = { openAPIV3Schema: { type: 'object' } }

test('definitions as upstream stores them', () => {
  const cases: [name: string, spec: JsonObject, expected: JsonObject][] = [
    [
      'what all versions share',
      {
        group: 'g',
        version: 'v1',
        preserveUnknownFields: false,
        validation: schema,
        subresources: { status: {} },
        additionalPrinterColumns: [{ name: 'a', JSONPath: '.a' }],
        versions: [{ name: 'v1', served: true, storage: true }],
        conversion: { strategy: 'None', conversionReviewVersions: ['v1'] },
      },
      {
        group: 'g',
        versions: [
          {
            schema,
            subresources: { status: {} },
            name: 'v1',
            served: true,
            storage: true,
            additionalPrinterColumns: [{ name: 'a', jsonPath: '.a' }],
          },
        ],
        conversion: { strategy: 'None' },
      },
    ],
    [
      'each version its own, and a webhook',
      {
        preserveUnknownFields: true,
        versions: [
          { name: 'v1', schema, additionalPrinterColumns: [{ JSONPath: '.a' }] },
          { name: 'v2', schema },
        ],
        conversion: { strategy: 'Webhook', webhookClientConfig: { url: 'https://x' }, conversionReviewVersions: ['v1'] },
      },
      {
        versions: [
          { name: 'v1', schema, additionalPrinterColumns: [{ jsonPath: '.a' }] },
          { name: 'v2', schema },
        ],
        conversion: { strategy: 'Webhook', webhook: { clientConfig: { url: 'https://x' }, conversionReviewVersions: ['v1'] } },
        preserveUnknownFields: true,
      },
    ],
    ['one version alone', { version: 'v1' }, { versions: [{ name: 'v1', served: true, storage: true }] }],
  ]
  for (const [name, spec, expected] of cases)
    assert.deepEqual(definitionToV1({ metadata: {}, spec }), { metadata: {}, spec: expected }, name)
})
