import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ResourceAttributes } from '../../api/kinds/authorization/v1.ts'
import { evaluationError } from './reviewSelectors.ts'

test('selectors that cannot be read are told', () => {
  const field = 'spec.resourceAttributes.fieldSelector'
  const label = 'spec.resourceAttributes.labelSelector'
  const cases: [asked: object, expected: string][] = [
    [{}, ''],
    [{ fieldSelector: { rawSelector: 'metadata.name=a' }, labelSelector: { rawSelector: 'a in (b)' } }, ''],
    [{ fieldSelector: { requirements: [{ key: 'a', operator: 'In', values: ['b'] }] } }, ''],
    [{ fieldSelector: { requirements: [{ key: 'a', operator: 'In', values: ['b', 'c'] }] } }, `${field} ignored due to parse error`],
    [
      {
        fieldSelector: {
          requirements: [
            { key: 'a', operator: 'Exists' },
            { key: 'b', operator: 'NotIn', values: ['c'] },
          ],
        },
      },
      `${field} partially ignored due to parse error`,
    ],
    [{ labelSelector: { requirements: [{ key: 'a', operator: 'Exists' }] } }, ''],
    [
      { fieldSelector: { rawSelector: 'a' }, labelSelector: { rawSelector: '((' } },
      `${field} ignored due to parse error; ${label} ignored due to parse error`,
    ],
    [{ labelSelector: { requirements: [{ key: 'a', operator: 'Like' }] } }, `${label} ignored due to parse error`],
  ]
  for (const [asked, expected] of cases) assert.equal(evaluationError(asked as ResourceAttributes), expected, JSON.stringify(asked))
})
