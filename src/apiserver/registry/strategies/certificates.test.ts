import { test } from 'node:test'
import assert from 'node:assert/strict'
import { validateCertificateSigningRequestStatus } from '../../../api/validation/certificates.ts'
import { certificateSigningRequests, withTimes } from './certificates.ts'
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../../../api/kinds/certificates/v1.ts'
import type { StrategyContext } from '../strategy.ts'

const NOW = '2026-01-02T00:00:00Z'
const BEFORE = '2026-01-01T00:00:00Z'
const condition = (type: string, times: Partial<CertificateSigningRequestCondition> = {}): CertificateSigningRequestCondition => ({
  type,
  status: 'True',
  ...times,
})
const request = (conditions: CertificateSigningRequestCondition[], certificate?: string): CertificateSigningRequest => ({
  metadata: { name: 'a', uid: 'u', resourceVersion: '1', creationTimestamp: BEFORE },
  spec: { request: '', signerName: 'example.com/a' },
  status: { conditions, ...(certificate && { certificate }) },
})

test('conditions get the times they lack; one that was there keeps when it turned', () => {
  const old = [condition('Approved', { lastTransitionTime: BEFORE, lastUpdateTime: BEFORE })]
  assert.deepEqual(withTimes([condition('Approved'), condition('Other')], old, NOW), [
    condition('Approved', { lastTransitionTime: BEFORE, lastUpdateTime: NOW }),
    condition('Other', { lastTransitionTime: NOW, lastUpdateTime: NOW }),
  ])
})

test('a signer changes no decision, and the order of the conditions stays', () => {
  const approved = condition('Approved', { reason: 'Checked', lastTransitionTime: BEFORE, lastUpdateTime: BEFORE })
  const old = request([condition('Other', { lastTransitionTime: BEFORE, lastUpdateTime: BEFORE }), approved])
  const next = request([condition('Other'), condition('Approved', { reason: 'Mine' }), condition('Added')])
  certificateSigningRequests.prepareForStatusUpdate?.(next, old, { now: NOW } as StrategyContext)
  assert.deepEqual(
    next.status?.conditions?.map(({ type, reason }) => [type, reason]),
    [
      ['Other', undefined],
      ['Approved', 'Checked'],
      ['Added', undefined],
    ],
  )
  assert.deepEqual(validateCertificateSigningRequestStatus(next, old), [])
})

test('a signer neither adds nor removes a decision, nor replaces a certificate', () => {
  const messages = (next: CertificateSigningRequest, old: CertificateSigningRequest): string[] =>
    validateCertificateSigningRequestStatus(next, old).map((error) => error.message)
  assert.deepEqual(messages(request([condition('Approved')]), request([])), [
    'Forbidden: updates may not add a condition of type "Approved"',
  ])
  assert.deepEqual(messages(request([]), request([condition('Denied')])), [
    'Forbidden: updates may not remove a condition of type "Denied"',
  ])
  const noCertificate = 'Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block'
  assert.deepEqual(messages(request([], 'Yg=='), request([], 'YQ==')), [
    noCertificate,
    'Forbidden: updates may not modify existing certificate content',
  ])
  assert.deepEqual(messages(request([], 'YQ=='), request([])), [noCertificate])
  assert.deepEqual(messages(request([], 'YQ=='), request([], 'YQ==')), [])
})
