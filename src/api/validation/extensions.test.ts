/** Events, webhooks, API services, flow control and devices. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateApiService } from './apiServices.ts'
import { validateResourceClaim } from './deviceClaims.ts'
import { validateEvent, validateEventUpdate } from './events.ts'
import { validateFlowSchema } from './flowcontrol.ts'
import { validateWebhookConfiguration } from './webhooks.ts'
import type { ValidatingWebhook } from '../kinds/admissionregistration/v1.ts'
import type { APIServiceSpec } from '../kinds/apiregistration/v1.ts'
import type { Event } from '../kinds/core/v1.ts'
import type { FlowSchemaSpec } from '../kinds/flowcontrol/v1.ts'
import type { DeviceRequest } from '../kinds/resource/v1.ts'
import type { FieldError } from '../status.ts'

const metadata = { name: 'n', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' }
const first = (errors: readonly FieldError[]): string => errors.map(({ field, message }) => `${field}: ${message}`)[0] ?? 'nothing'

test('events', () => {
  const event = (changes: Partial<Event>): Event => ({ metadata, involvedObject: { namespace: 'ns' }, ...changes })
  const report = {
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingComponent: 'a/b',
    reportingInstance: 'i',
    action: 'a',
    reason: 'r',
    type: 'Normal',
  }
  assert.deepEqual(validateEvent(event({})), [])
  assert.deepEqual(validateEvent(event(report), 'events.k8s.io'), [])
  const table: [Partial<Event>, string, RegExp][] = [
    [
      { involvedObject: { namespace: 'other' } },
      '',
      /^involvedObject\.namespace: Invalid value: "other": does not match event\.namespace$/,
    ],
    [{ ...report, reportingComponent: '' }, '', /^reportingComponent: Required value$/],
    [{ ...report, reportingComponent: '' }, 'events.k8s.io', /^reportingController: Required value$/],
    [{ ...report, count: 1 }, 'events.k8s.io', /^count: Invalid value: "": needs to be unset$/],
    [{}, 'events.k8s.io', /^eventTime: Required value$/],
    [
      { ...report, series: { count: 1, lastObservedTime: report.eventTime } },
      'events.k8s.io',
      /^series\.count: Invalid value: "": should be at least 2$/,
    ],
  ]
  for (const [changes, group, expected] of table) assert.match(first(validateEvent(event(changes), group)), expected)
  assert.match(
    first(validateEventUpdate(event({ ...report, reason: 'x' }), event(report), 'events.k8s.io')),
    /^reason: Invalid value: "x": field is immutable$/,
  )
  assert.deepEqual(validateEventUpdate(event({ ...report, reason: 'x' }), event(report)), [])
})

test('webhooks', () => {
  const base = {
    name: 'a.b.c',
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    clientConfig: { url: 'https://a.example/x' },
    matchPolicy: 'Equivalent',
    failurePolicy: 'Fail',
    timeoutSeconds: 10,
    rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], scope: '*' }],
  } as ValidatingWebhook
  const judge = (changes: Partial<ValidatingWebhook>): string =>
    first(validateWebhookConfiguration({ metadata, webhooks: [{ ...base, ...changes }] }))
  assert.equal(judge({}), 'nothing')
  const table: [Partial<ValidatingWebhook>, RegExp][] = [
    [{ name: 'a' }, /^webhooks\[0\]\.name: Invalid value: "a": should be a domain with at least three segments separated by dots$/],
    [{ admissionReviewVersions: [] }, /^webhooks\[0\]\.admissionReviewVersions: Required value/],
    [{ sideEffects: 'Some' }, /^webhooks\[0\]\.sideEffects: Unsupported value: "Some"/],
    [{ timeoutSeconds: 31 }, /^webhooks\[0\]\.timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds$/],
    [{ clientConfig: {} }, /^webhooks\[0\]\.clientConfig: Required value: exactly one of url or service is required$/],
    [
      { clientConfig: { url: 'http://a.example' } },
      /^webhooks\[0\]\.clientConfig\.url: Invalid value: "http": 'https' is the only allowed URL scheme/,
    ],
  ]
  for (const [changes, expected] of table) assert.match(judge(changes), expected)
})

test('API services', () => {
  const judge = (name: string, changes: Partial<APIServiceSpec>): string => {
    const spec = { group: 'g.example', version: 'v1', groupPriorityMinimum: 10, versionPriority: 10, ...changes }
    return first(validateApiService({ metadata: { ...metadata, name }, spec }))
  }
  assert.equal(judge('v1.g.example', {}), 'nothing')
  assert.match(
    judge('v2.g.example', {}),
    /^metadata\.name: Invalid value: "v2\.g\.example": must be `spec\.version\+"\."\+spec\.group`: "v1\.g\.example"$/,
  )
  assert.match(
    judge('v1.g.example', { versionPriority: 1001 }),
    /^spec\.versionPriority: Invalid value: 1001: must be positive and less than 1000$/,
  )
  assert.match(judge('v1.g.example', { service: {} }), /^spec\.service\.namespace: Required value$/)
})

test('flow schemas', () => {
  const rule = { verbs: ['get'], apiGroups: [''], resources: ['pods'], namespaces: ['*'] }
  const base: FlowSchemaSpec = {
    priorityLevelConfiguration: { name: 'p' },
    matchingPrecedence: 100,
    rules: [{ subjects: [{ kind: 'User', user: { name: 'u' } }], resourceRules: [rule] }],
  }
  const judge = (changes: Partial<FlowSchemaSpec>): string =>
    first(validateFlowSchema({ metadata, spec: { ...base, ...changes }, status: {} }))
  assert.equal(judge({}), 'nothing')
  assert.match(judge({ matchingPrecedence: 0 }), /^spec\.matchingPrecedence: Invalid value: 0: must be a positive value$/)
  assert.match(
    judge({ rules: [{ subjects: [], resourceRules: [rule] }] }),
    /^spec\.rules\[0\]\.subjects: Required value: subjects must contain at least one value$/,
  )
})

test('claims of devices', () => {
  const judge = (...requests: DeviceRequest[]): string => first(validateResourceClaim({ metadata, spec: { devices: { requests } } }))
  const exactly = { deviceClassName: 'c', allocationMode: 'ExactCount', count: 1 }
  assert.equal(judge({ name: 'r', exactly }), 'nothing')
  assert.match(
    judge({ name: 'r' }),
    /^spec\.devices\.requests\[0\]: Required value: exactly one of `exactly` or `firstAvailable` is required$/,
  )
  assert.match(
    judge({ name: 'r', exactly }, { name: 'r', exactly }),
    /^spec\.devices\.requests\[1\]\.name: Duplicate value: "r"|^spec\.devices\.requests\[1\]: Duplicate value: "r"/,
  )
  assert.match(
    judge({ name: 'r', exactly: { ...exactly, count: 0 } }),
    /^spec\.devices\.requests\[0\]\.exactly\.count: Invalid value: 0: must be greater than zero$/,
  )
  assert.match(
    judge({ name: 'r', exactly: { ...exactly, allocationMode: 'X' } }),
    /^spec\.devices\.requests\[0\]\.exactly\.allocationMode: Unsupported value: "X"/,
  )
})
