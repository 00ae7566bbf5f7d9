import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReviewError, decodeReview } from './reviewCodec.ts'

const admission = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' }
const conversion = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'ConversionReview' }

const read = (text: string, sent = admission): unknown => {
  try {
    return decodeReview(Buffer.from(text), sent)
  } catch (error) {
    assert.ok(error instanceof ReviewError, String(error))
    return error.message
  }
}

test('an answer is a review in JSON or YAML, of the kind that was sent unless it says another', () => {
  assert.deepEqual(read('{"response":{"uid":"a","allowed":null,"unknown":1,"status":{"details":{"odd":1,"name":"n"}}}}'), {
    response: { uid: 'a', status: { details: { name: 'n' } } },
  })
  assert.deepEqual(read('kind: AdmissionReview\nresponse: {uid: a, allowed: true}\n'), {
    kind: 'AdmissionReview',
    response: { uid: 'a', allowed: true },
  })
  assert.deepEqual(read(' '), {})
  assert.deepEqual(read('{"response":{"patch":[91,93],"warnings":[null]}}'), { response: { patch: 'W10=', warnings: [''] } })
})

test('what is no review is told as a decoder in Go tells it', () => {
  const unregistered = (kind: string, version: string): string =>
    `no kind "${kind}" is registered for version "${version}" in scheme "k8s.io/apiserver/pkg/util/webhook/client.go:71"`
  const cannot = (what: string, where: string): string => `json: cannot unmarshal ${what} into Go struct field ${where}`
  const findKind = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
  for (const [text, message] of [
    ['hello', `couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type ${findKind}`],
    ['{"kind":7}', "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string"],
    ['{"kind":"Pod","apiVersion":"v1"}', unregistered('Pod', 'v1')],
    ['{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v2"}', unregistered('AdmissionReview', 'admission.k8s.io/v2')],
    ['{"apiVersion":"a/b/c"}', 'unexpected GroupVersion string: a/b/c'],
    ['{"apiVersion":"admission.k8s.io/v1beta1"}', 'converting (v1beta1.AdmissionReview) to (v1.AdmissionReview): unknown conversion'],
    ['{"kind":"Status","apiVersion":"v1"}', 'converting (v1.Status) to (v1.AdmissionReview): unknown conversion'],
    ['{"response":[]}', cannot('array', 'AdmissionReview.response of type v1.AdmissionResponse')],
    ['{"response":{"allowed":"true"}}', cannot('string', 'AdmissionResponse.response.allowed of type bool')],
    ['{"response":{"status":{"code":400.5}}}', cannot('number 400.5', 'Status.response.status.code of type int32')],
    ['{"response":{"warnings":[1]}}', cannot('number', 'AdmissionResponse.response.warnings of type string')],
    ['{"response":{"patch":"!!!"}}', 'illegal base64 data at input byte 0'],
    ['{"response":{"patch":[{}]}}', cannot('object', 'AdmissionResponse.response.patch of type uint8')],
    ['{"request":{"uid":5}}', cannot('number', 'AdmissionRequest.request.uid of type types.UID')],
  ] as const)
    assert.equal(read(text), message, text)
  assert.equal(
    read('{"response":{"convertedObjects":{}}}', conversion),
    cannot('object', 'ConversionResponse.response.convertedObjects of type []runtime.RawExtension'),
  )
})
