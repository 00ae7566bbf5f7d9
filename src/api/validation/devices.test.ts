import { test } from 'node:test'
import assert from 'node:assert/strict'
import { loadCatalog } from '../catalog/load.ts'
import { normalize } from '../codec/json.ts'
import { validateResourceClaimStatusUpdate, validateResourceClaimTemplateChange, validateResourceClaimUpdate } from './deviceClaims.ts'
import { validateFlowControlStatus } from './flowcontrol.ts'
import { validateResourceSlice } from './resourceSlices.ts'
import { validateRuntimeClassUpdate } from './cluster.ts'
import { validateCertificateSigningRequestStatus } from './certificates.ts'
import type { TypeDef } from '../catalog/schema.ts'
import type { CertificateSigningRequest } from '../kinds/certificates/v1.ts'
import type { RuntimeClass } from '../kinds/node/v1.ts'
import type { ResourceClaim, ResourceClaimTemplate, ResourceSlice } from '../kinds/resource/v1.ts'
import type { FieldError } from '../status.ts'

const metadata = { name: 'n', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: '1' }
const texts = (errors: FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`)

const spec = (deviceClassName: string): object => ({
  devices: { requests: [{ name: 'r', exactly: { deviceClassName, allocationMode: 'ExactCount', count: 1 } }] },
})
const inGo = (name: string): string =>
  `{"Devices":{"Requests":[{"Name":"r","Exactly":{"DeviceClassName":"${name}","Selectors":null,"AllocationMode":"ExactCount","Count":1,"AdminAccess":null,"Tolerations":null,"Capacity":null},"FirstAvailable":null}],"Constraints":null,"Config":null}}`

test('claims and their templates stay what they are', () => {
  const claim = (name: string): ResourceClaim => ({ metadata, spec: spec(name) }) as ResourceClaim
  assert.deepEqual(texts(validateResourceClaimUpdate(claim('b'), claim('a'))), [`spec: Invalid value: ${inGo('b')}: field is immutable`])
  const template = (name: string): ResourceClaimTemplate =>
    ({ metadata, spec: { metadata: { labels: { z: '1', a: '2' } }, spec: spec(name) } }) as unknown as ResourceClaimTemplate
  assert.deepEqual(texts(validateResourceClaimTemplateChange(template('b'), template('a'))), [
    `spec: Invalid value: {"labels":{"a":"2","z":"1"},"Spec":${inGo('b')}}: field is immutable`,
  ])
})

test('what a driver says of a device', () => {
  const device = { driver: 'd', pool: 'p', device: 'x', networkData: { interfaceName: 'i'.repeat(257), ips: ['10.0.0.1', 'FD00::1/64'] } }
  const claim = (status: object): ResourceClaim => ({ metadata, spec: spec('a'), status }) as ResourceClaim
  assert.deepEqual(texts(validateResourceClaimStatusUpdate(claim({ devices: [device] }), claim({}))), [
    'status.devices[0]: Invalid value: {"Driver":"d","Pool":"p","Device":"x","ShareID":""}: must be an allocated device in the claim',
    'status.devices[0].networkData.interfaceName: Too long: may not be more than 256 bytes',
    'status.devices[0].networkData.ips[0]: Invalid value: "10.0.0.1": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)',
    'status.devices[0].networkData.ips[1]: Invalid value: "FD00::1/64": must be in canonical form ("fd00::1/64")',
  ])
})

test('attributes of devices hold one value, under names that paths shorten', () => {
  const slice = (attributes: object): ResourceSlice =>
    ({
      metadata,
      spec: { driver: 'd', nodeName: 'n', pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, devices: [{ name: 'x', attributes }] },
    }) as ResourceSlice
  assert.deepEqual(texts(validateResourceSlice(slice({ a: { string: 's', bool: true } }))), [
    'spec.devices[0].attributes[a]: Invalid value: {"IntValue":null,"BoolValue":true,"StringValue":"s","VersionValue":null,"IntValues":null,"BoolValues":null,"StringValues":null,"VersionValues":null}: exactly one value must be specified',
  ])
  const fields = texts(validateResourceSlice(slice({ [`b${'a'.repeat(299)}`]: {} })))
  assert.ok(
    fields.some((text) => text.startsWith(`spec.devices[0].attributes[b${'a'.repeat(46)}...${'a'.repeat(46)}]: `)),
    fields.join(),
  )
})

test('conditions of flow control and of certificate requests', () => {
  assert.deepEqual(texts(validateFlowControlStatus({ status: { conditions: [{ type: 'A' }, { type: 'A' }, {}] } })), [
    'status.conditions[1].type: Duplicate value: "A"',
    'status.conditions[2].type: Required value',
  ])
  const request = (conditions: object[]): CertificateSigningRequest => ({ metadata, spec: {}, status: { conditions } }) as never
  assert.deepEqual(
    texts(validateCertificateSigningRequestStatus(request([{ type: 'Failed' }, { type: 'X', status: 'no' }]), request([]))),
    [
      'status.conditions[0].status: Required value',
      'status.conditions[1].status: Unsupported value: "no": supported values: "False", "True", "Unknown"',
    ],
  )
})

test('a runtime class is looked at as a new one when it changes', () => {
  const runtime = (handler: string): RuntimeClass => ({ metadata, handler })
  assert.deepEqual(texts(validateRuntimeClassUpdate(runtime(''), runtime('h'))), [
    'handler: Required value',
    'handler: Invalid value: "": field is immutable',
  ])
})

test('share IDs in the form that UUIDs have, and places told once', () => {
  const id = '12345678-1234-1234-1234-123456789abc'
  const place = { driver: 'd.example.com', pool: 'p', device: 'x' }
  const status = (devices: object[], shareID?: string): FieldError[] => {
    const claim = {
      metadata,
      spec: spec('a'),
      status: { devices, allocation: { devices: { results: [{ request: 'r', ...place, shareID }] } } },
    }
    return validateResourceClaimStatusUpdate(claim as ResourceClaim, { ...claim, status: {} } as ResourceClaim)
  }
  const rows: [string, string | undefined][] = [
    [id, undefined],
    [
      id.toUpperCase(),
      'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters',
    ],
    ['', 'error validating uid: invalid UUID length: 0'],
    [id.replace('9', 'x'), 'error validating uid: invalid UUID format'],
    [`(${id})`, 'error validating uid: invalid bracketed UUID format'],
    [`urn:uiid:${id}`, 'error validating uid: invalid urn prefix: "urn:uiid:"'],
  ]
  for (const [text, why] of rows) {
    const expected = why ? [`status.allocation.devices.results[0].shareID: Invalid value: ${JSON.stringify(text)}: ${why}`] : []
    assert.deepEqual(texts(status([], text)), expected, text)
  }
  assert.deepEqual(texts(status([place, place])), [
    'status.devices[1]: Duplicate value: {"Driver":"d.example.com","Pool":"p","Device":"x","ShareID":""}',
  ])
})

test('a runtime class tolerates a taint once', () => {
  const toleration = { key: 'a', operator: 'Exists', tolerationSeconds: 1, effect: 'NoExecute' }
  const runtimeClass = {
    metadata,
    handler: 'h',
    scheduling: { tolerations: [toleration, { ...toleration, tolerationSeconds: 2 }] },
  } as RuntimeClass
  assert.deepEqual(texts(validateRuntimeClassUpdate(runtimeClass, runtimeClass)), [
    'scheduling.tolerations[1]: Duplicate value: {"Key":"a","Operator":"Exists","Value":"","Effect":"NoExecute","TolerationSeconds":2}',
  ])
})

test('an empty list beside another one is there', () => {
  const { type } = loadCatalog().resource('resource.k8s.io', 'v1', 'resourceslices') ?? {}
  const slice = (given: object): FieldError[] => {
    const body = {
      metadata,
      spec: { driver: 'd.example.com', pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, nodeName: 'n', ...given },
    }
    return validateResourceSlice(normalize(body, type as TypeDef) as unknown as ResourceSlice)
  }
  assert.deepEqual(texts(slice({ sharedCounters: [], devices: [] })), [
    'spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed',
  ])
  assert.deepEqual(texts(slice({ devices: [] })), [])
})
