import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CertificateSigningRequest } from '../../api/kinds/certificates/v1.ts'
import { cleanUpAtMs } from './certificates.ts'
import { API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN, signerProblem, type RequestedSubject } from './signers.ts'

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

test('what a signer refuses', () => {
  const cases: [string, string[], Partial<RequestedSubject>, boolean][] = [
    [KUBELET_CLIENT, client, {}, true],
    [KUBELET_CLIENT, server, {}, false],
    [KUBELET_CLIENT, client, { dnsNames: ['n'] }, false],
    [KUBELET_CLIENT, client, { commonName: 'jane' }, false],
    [KUBELET_SERVING, server, { ipAddresses: ['10.0.0.1'] }, true],
    [KUBELET_SERVING, server, {}, false],
    [KUBELET_SERVING, server, { dnsNames: ['n'], uris: ['x:y'] }, false],
    [KUBELET_SERVING, client, { dnsNames: ['n'] }, false],
    [API_CLIENT, client, { commonName: 'jane', organizations: [] }, true],
    [API_CLIENT, [...client, 'server auth'], {}, false],
    [LEGACY_UNKNOWN, ['any'], {}, true],
  ]
  for (const [signerName, usages, subject, signs] of cases) {
    const problem = signerProblem(request(signerName, usages), { ...node, ...subject })
    assert.equal(problem === undefined, signs, `${signerName} ${usages.join()} ${JSON.stringify(subject)}: ${problem}`)
  }
})

test('requests are kept for an hour after they were decided, for a day when nobody did', () => {
  const hourMs = 3_600_000
  assert.equal(cleanUpAtMs(request(API_CLIENT, client)), 24 * hourMs)
  assert.equal(cleanUpAtMs(request(API_CLIENT, client, ['1970-01-01T05:00:00Z'])), 6 * hourMs)
})
