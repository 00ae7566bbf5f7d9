import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { validateNamespace, validateNamespaceStatus, validateSecret } from './config.ts'
import { validateLimitRange } from './limitRanges.ts'
import { quote } from '../quote.ts'
import { keyPairError } from './keyPair.ts'
import { isWhole } from './quantities.ts'
import { intOrPercent } from './values.ts'
import type { LimitRangeItem, Namespace } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const metadata = { name: 'n', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' }
const told = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`)

test('texts as Go quotes them', () => {
  const table: [string, string][] = [
    ['a"\\', String.raw`"a\"\\"`],
    ['\u0001\n\u007f', String.raw`"\x01\n\x7f"`],
    ['é😀', '"é😀"'],
    ['\u00a0\u2028', String.raw`"\u00a0\u2028"`],
  ]
  for (const [text, quoted] of table) assert.equal(quote(text), quoted)
})

test('quantities are whole as far as Go can count their thousandths', () => {
  assert.equal(isWhole('5'), true)
  assert.equal(isWhole('500m'), false)
  assert.equal(isWhole('1Pi'), true)
  for (const odd of ['1Ei', '9Pi', '9223372036854776']) assert.equal(isWhole(odd), false, odd)
  for (const large of ['1E', '10P', '1e18', '9223372036854775807', '9223372036854775808']) assert.equal(isWhole(large), true, large)
})

test('limits', () => {
  const limits = (item: LimitRangeItem): string[] => told(validateLimitRange({ metadata, spec: { limits: [item] } }))
  assert.deepEqual(limits({ type: 'x' }), ['spec.limits[0].type: Invalid value: "x": must be a standard limit type or fully qualified'])
  const ofPods = limits({ type: 'Pod', max: { cpu: '1' }, default: { cpu: '2' } })
  assert.deepEqual(ofPods, ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"])
  assert.deepEqual(limits({ type: '/x' }), ['spec.limits[0].type: Invalid value: "/x": prefix part must be non-empty'])
  assert.deepEqual(limits({ type: 'Container', max: { cpu: '1' }, default: { cpu: '2' } }), [
    'spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1',
  ])
  assert.deepEqual(limits({ type: 'Container', min: { cpu: '-1' }, max: { cpu: '4' }, maxLimitRequestRatio: { cpu: '2' } }), [
    'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "2": ratio 2 is greater than max/min = -4.000000',
  ])
  assert.deepEqual(limits({ type: 'example.com/x', maxLimitRequestRatio: { what: '2' } }), [
    'spec.limits[0].maxLimitRequestRatio[what]: Invalid value: "what": must be a standard resource type or fully qualified',
  ])
  assert.deepEqual(limits({ type: 'Container', default: { 'hugepages-2Mi': '4Mi' }, defaultRequest: { 'hugepages-2Mi': '2Mi' } }), [
    'spec.limits[0].defaultRequest[hugepages-2Mi]: Invalid value: "2Mi": default value 4Mi must equal to defaultRequest value 2Mi in hugepages-2Mi',
  ])
})

test('finalizers of namespaces', () => {
  assert.equal(validateNamespace({ metadata, spec: { finalizers: ['a b'] } }).length, 2)
  assert.equal(validateNamespace({ metadata, spec: { finalizers: ['example.com/x', 'kubernetes'] } }).length, 0)
})

test('secrets of the container registry', () => {
  const secret = (text: string): string[] =>
    told(validateSecret({ metadata, type: 'kubernetes.io/dockercfg', data: { '.dockercfg': Buffer.from(text).toString('base64') } }))
  const refused = (why: string): string[] => [`data[.dockercfg]: Invalid value: "<secret contents redacted>": ${why}`]
  assert.deepEqual(secret('{}'), [])
  assert.deepEqual(secret(''), refused('unexpected end of JSON input'))
  assert.deepEqual(secret('\u0013'), refused(String.raw`invalid character '\x13' looking for beginning of value`))
})

test('keys that do not belong to their certificates', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const block = (type: string): string => `-----BEGIN ${type}-----\nYQ==\n-----END ${type}-----\n`
  const table: [string, string, string][] = [
    ['x', 'y', 'tls: failed to find any PEM data in certificate input'],
    [
      key,
      key,
      'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
    ],
    [
      block('A') + block('B'),
      key,
      'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [A B]',
    ],
    [block('CERTIFICATE'), '', 'tls: failed to find any PEM data in key input'],
    [block('CERTIFICATE'), block('CERTIFICATE'), 'tls: found a certificate rather than a key in the PEM for the private key'],
    [block('CERTIFICATE'), key, 'x509: malformed certificate'],
  ]
  for (const [certificate, privatePem, error] of table) assert.equal(keyPairError(certificate, privatePem), error)
})

test('what is neither a number nor a share counts as none', () => {
  for (const [value, number] of [
    ['25%', 25],
    ['-5%', 0],
    ['5', 5],
    ['-5', -5],
    ['x', 0],
    [3, 3],
  ] as const)
    assert.equal(intOrPercent(value), number)
})

test('statuses of namespaces', () => {
  const namespace = (phase: string, metadata: object = {}): string[] =>
    validateNamespaceStatus({ metadata: { name: 'a', ...metadata }, status: { phase } } as Namespace).map(({ message }) => message)
  assert.deepEqual(namespace('Active'), [])
  assert.deepEqual(namespace('Gone'), ['Invalid value: "Gone": may only be \'Active\' if `deletionTimestamp` is empty'])
  assert.deepEqual(namespace('Active', { deletionTimestamp: '2026-01-01T00:00:00Z' }), [
    'Invalid value: "Active": may only be \'Terminating\' if `deletionTimestamp` is not empty',
  ])
})
