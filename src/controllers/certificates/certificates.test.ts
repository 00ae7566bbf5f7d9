import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CertificateSigningRequest } from '../../api/kinds/certificates/v1.ts'
import { cleanUpAtMs } from './certificates.ts'
import {
  API_CLIENT,
  grantedSeconds,
  KUBELET_CLIENT,
  KUBELET_SERVING,
  LEGACY_UNKNOWN,
  signerProblem,
  type RequestedSubject,
} from './signers.ts'

const node: RequestedSubject = {
  commonName: 'system:node:n',
  organizations: ['system:nodes'],
  dnsNames: [],
  ipAddresses: [],
  emailAddresses: [],
  uris: [],
}
const client = ['digital signature', 'client auth']
const server = ['digital signature', 'server auth']

function request(signerName: string, usages: string[], conditions: string[] = []): CertificateSigningRequest {
  return {
    metadata: { name: 'r', uid: 'r', resourceVersion: '1', creationTimestamp: '1970-01-01T00:00:00Z' },
    spec: { request: '', signerName, usages },
    status: { conditions: conditions.map((lastUpdateTime) => ({ type: 'Approved', status: 'True', lastUpdateTime })) },
  }
}

test('what a signer refuses, and in which words', () => {
  const clientUsages = 'usages did not match [client auth digital signature key encipherment]'
  const notNode = 'subject organization is not system:nodes'
  const cases: [string, string[], Partial<RequestedSubject>, string | undefined][] = [
    [KUBELET_CLIENT, client, {}, undefined],
    [KUBELET_CLIENT, [...client, 'key encipherment'], {}, undefined],
    [KUBELET_CLIENT, server, {}, clientUsages],
    [KUBELET_CLIENT, ['client auth'], {}, clientUsages],
    [KUBELET_CLIENT, [...client, 'code signing'], {}, clientUsages],
    [KUBELET_CLIENT, client, { dnsNames: ['n'] }, 'DNS subjectAltNames are not allowed'],
    [KUBELET_CLIENT, client, { ipAddresses: ['10.0.0.1'], uris: ['x:y'] }, 'IP subjectAltNames are not allowed'],
    [KUBELET_CLIENT, client, { commonName: 'jane' }, 'subject common name does not begin with system:node:'],
    [KUBELET_CLIENT, client, { organizations: ['system:nodes', 'dev'] }, notNode],
    [KUBELET_SERVING, server, { ipAddresses: ['10.0.0.1'] }, undefined],
    [KUBELET_SERVING, server, {}, 'DNS or IP subjectAltName is required'],
    [KUBELET_SERVING, server, { dnsNames: ['n'], uris: ['x:y'] }, 'URI subjectAltNames are not allowed'],
    [KUBELET_SERVING, server, { dnsNames: ['n'], emailAddresses: ['a@b'] }, 'Email subjectAltNames are not allowed'],
    [KUBELET_SERVING, client, { dnsNames: ['n'] }, 'usages did not match [digital signature key encipherment server auth]'],
    [KUBELET_SERVING, server, { organizations: [] }, notNode],
    [API_CLIENT, client, { commonName: 'jane', organizations: [] }, undefined],
    [API_CLIENT, [...client, 'server auth'], {}, 'invalid usage for client certificate: server auth'],
    [API_CLIENT, ['digital signature'], {}, 'missing required usage for client certificate: client auth'],
    [LEGACY_UNKNOWN, ['any'], {}, undefined],
  ]
  for (const [signerName, usages, subject, expected] of cases) {
    const problem = signerProblem(request(signerName, usages), { ...node, ...subject })
    assert.equal(problem, expected, `${signerName} ${usages.join()} ${JSON.stringify(subject)}`)
  }
})

test('a certificate lives as long as asked for, within bounds', () => {
  const yearSeconds = 365 * 86_400
  assert.deepEqual(
    [undefined, 3_600, 60, 2 ** 31 - 1].map((asked) => grantedSeconds(asked, yearSeconds)),
    [yearSeconds, 3_600, 600, yearSeconds],
  )
})

test('requests are kept for an hour after they were decided, for a day when nobody did', () => {
  const hourMs = 3_600_000
  assert.equal(cleanUpAtMs(request(API_CLIENT, client)), 24 * hourMs)
  assert.equal(cleanUpAtMs(request(API_CLIENT, client, ['1970-01-01T05:00:00Z'])), 6 * hourMs)
})
