import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDns1123Label, isDns1123Subdomain, isPortName, isQualifiedName } from './names.ts'
import { validateConfigMap } from './config.ts'
import { notSupported, notSupportedText } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import { validateObjectMeta, validateObjectMetaUpdate } from './objectMeta.ts'
import { qosClassOf } from './podQos.ts'
import { validateSchedule } from './schedule.ts'
import type { ConfigMap } from '../kinds/core/v1.ts'
import type { ObjectMeta } from '../kinds/meta/v1.ts'

const meta: ObjectMeta = { name: 'a', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' }

test('names', () => {
  const table: [(name: string) => string[], string, number][] = [
    [isDns1123Label, 'a-1', 0],
    [isDns1123Label, 'a.b', 1],
    [isDns1123Label, 'x'.repeat(64), 1],
    [isDns1123Subdomain, 'a.b', 0],
    [isDns1123Subdomain, 'A', 1],
    [isQualifiedName, 'example.com/x', 0],
    [isQualifiedName, 'a/b/c', 1],
    [isQualifiedName, '/x', 1],
    [isQualifiedName, '', 2],
    [isPortName, 'http', 0],
    [isPortName, 'A--b', 2],
  ]
  for (const [rule, name, broken] of table) assert.equal(rule(name).length, broken, `${rule.name} ${name}`)
})

test('metadata on create', () => {
  assert.deepEqual(validateObjectMeta(meta, { namespaced: true }), [])
  assert.match(
    validateObjectMeta({ ...meta, name: '' }, { namespaced: true })[0]?.message ?? '',
    /^Required value: name or generateName is required$/,
  )
  assert.equal(validateObjectMeta({ ...meta, annotations: { a: 'x'.repeat(262_145) } }, { namespaced: true })[0]?.type, 'FieldValueTooLong')
})

test('metadata on update', () => {
  const [error] = validateObjectMetaUpdate({ ...meta, uid: 'other' }, meta)
  assert.deepEqual(error, { type: 'FieldValueInvalid', field: 'metadata.uid', message: 'Invalid value: "other": field is immutable' })
  const deleted = { ...meta, deletionTimestamp: '2026-01-01T00:00:00Z' }
  assert.match(
    validateObjectMetaUpdate({ ...deleted, finalizers: ['a/b'] }, deleted)[0]?.message ?? '',
    /found new finalizers \[\]string\{"a\/b"\}/,
  )
})

test('a key may not stand in both maps of a ConfigMap', () => {
  const errors = validateConfigMap({ metadata: meta, data: { a: '1' }, binaryData: { a: 'MQ==' } } as ConfigMap)
  assert.deepEqual(
    errors.map((e) => e.message),
    ['Invalid value: "a": duplicate of key present in binaryData'],
  )
})

test('quality of service', () => {
  const container = (resources: object) => ({ name: 'c', resources })
  assert.equal(qosClassOf({ containers: [container({})] }), 'BestEffort')
  assert.equal(qosClassOf({ containers: [container({ requests: { cpu: '1' } })] }), 'Burstable')
  assert.equal(
    qosClassOf({ containers: [container({ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m', memory: '1Gi' } })] }),
    'Guaranteed',
  )
})

test('schedules', () => {
  const table: [string, RegExp | undefined][] = [
    ['*/5 * * * *', undefined],
    ['@hourly', undefined],
    ['0 0 * jan-mar mon', undefined],
    ['@every 1h30m', undefined],
    ['60 * * * *', /^end of range \(60\) above maximum \(59\): 60$/],
    ['nope', /^expected exactly 5 fields, found 1: \[nope\]$/],
    ['TZ=UTC 0 1 * * *', /TZ/],
  ]
  for (const [schedule, wrong] of table) {
    const errors = validateSchedule(schedule)
    if (wrong) assert.match(errors[0] ?? '', wrong)
    else assert.deepEqual(errors, [])
  }
})

test('strings with a type of their own are shown as JSON, plain ones as Go quotes them', () => {
  const shown = (error: { message: string }): string | undefined => /value: (".*?"): /.exec(error.message)?.[1]
  assert.equal(shown(notSupported('f', '<&>', ['a'])), '"\\u003c\\u0026\\u003e"')
  assert.equal(shown(notSupportedText('f', '<&>\u007f', ['a'])), '"<&>\\x7f"')
  const operator = validateLabelSelector({ matchExpressions: [{ key: 'a', operator: '<' as never }] }, 's')
  assert.deepEqual(operator.map(shown), ['"\\u003c"'])
})
