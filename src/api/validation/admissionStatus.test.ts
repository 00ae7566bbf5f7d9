import { test } from 'node:test'
import assert from 'node:assert/strict'
import { validateValidatingAdmissionPolicyStatus } from './admissionPolicies.ts'
import { validateWebhookConfiguration } from './webhooks.ts'
import type { ValidatingAdmissionPolicy, ValidatingWebhookConfiguration } from '../kinds/admissionregistration/v1.ts'
import type { FieldError } from '../status.ts'

const metadata = { name: 'n', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: '1' }
const texts = (errors: FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`)

test('what type checking found is told whole', () => {
  const policy = { metadata, status: { typeChecking: { expressionWarnings: [{ fieldRef: 'spec', warning: '' }, { fieldRef: '' }] } } }
  assert.deepEqual(texts(validateValidatingAdmissionPolicyStatus(policy as unknown as ValidatingAdmissionPolicy)), [
    'status.typeChecking.expressionWarnings[0].warning: Required value',
    'status.typeChecking.expressionWarnings[1].fieldRef: Required value',
    'status.typeChecking.expressionWarnings[1].warning: Required value',
  ])
})

test('a webhook without a name of its service is told by the other field, as upstream does; nothing is not the same as empty', () => {
  const hook = { name: 'a.b.c', admissionReviewVersions: ['v1'], clientConfig: { service: { namespace: 'n' } }, sideEffects: '' }
  assert.deepEqual(texts(validateWebhookConfiguration({ metadata, webhooks: [hook] } as unknown as ValidatingWebhookConfiguration)), [
    'webhooks[0].sideEffects: Unsupported value: "": supported values: "None", "NoneOnDryRun"',
    'webhooks[0].clientConfig.service.namespace: Required value',
  ])
})
