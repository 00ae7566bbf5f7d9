import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { ResourceClaim } from '../../api/kinds/resource/v1.ts'
import { claimFromTemplate, FINALIZER, generatedClaim, mayReserve, planClaim, POD_CLAIM_ANNOTATION } from './plan.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const pod = (more: Partial<Pod['status']> = {}, spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { ...META, uid: 'p', name: 'p', namespace: 'ns' },
  spec: { containers: [{ name: 'c', image: 'x' }], ...spec },
  status: more,
})
const USER = { resource: 'pods', name: 'p', uid: 'p' }
const claim = (status: ResourceClaim['status'], metadata: Partial<ResourceClaim['metadata']> = {}): ResourceClaim => ({
  metadata: { ...META, uid: 'c', name: 'c', namespace: 'ns', finalizers: [FINALIZER], ...metadata },
  spec: {},
  ...(status && { status }),
})
const ALLOCATED = { allocation: { devices: { results: [] } }, reservedFor: [USER] }

test('a claim made by template belongs to its pod and says which of its claims it is', () => {
  const draft = claimFromTemplate(pod(), 'gpu', {
    metadata: { ...META, uid: 't', name: 't', namespace: 'ns' },
    spec: { spec: { devices: {} } },
  })
  assert.equal(draft.metadata.generateName, 'p-gpu-')
  const made = { ...claim(undefined), metadata: { ...claim(undefined).metadata, ...draft.metadata } } as ResourceClaim
  assert.equal(generatedClaim(pod(), 'gpu', [made]), made)
  assert.equal(generatedClaim(pod(), 'other', [made]), undefined)
})

test('a claim in use is left as it is', () => {
  assert.deepEqual(
    planClaim(claim(ALLOCATED), () => true, undefined),
    { removeFinalizer: false, remove: false },
  )
})

test('the last user gives the devices back', () => {
  assert.deepEqual(
    planClaim(claim(ALLOCATED), () => false, undefined),
    { removeFinalizer: true, remove: false, status: {} },
  )
})

test('an allocation nobody has used yet stays, unless the claim is going', () => {
  const idle = { allocation: ALLOCATED.allocation }
  assert.equal(planClaim(claim(idle), () => false, undefined).status, undefined)
  const going = claim(idle, { deletionTimestamp: META.creationTimestamp })
  assert.deepEqual(
    planClaim(going, () => false, undefined),
    { removeFinalizer: true, remove: false, status: {} },
  )
})

test('one of two users goes', () => {
  const other = { resource: 'pods', name: 'q', uid: 'q' }
  const plan = planClaim(claim({ ...ALLOCATED, reservedFor: [USER, other] }), ({ uid }) => uid === 'q', undefined)
  assert.deepEqual(plan.status, { ...ALLOCATED, reservedFor: [other] })
})

test('a generated claim goes with its finished pod', () => {
  const owner = [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'p', controller: true }]
  const generated = claim(ALLOCATED, { ownerReferences: owner, annotations: { [POD_CLAIM_ANNOTATION]: 'gpu' } })
  assert.equal(planClaim(generated, () => false, pod({ phase: 'Succeeded' })).remove, true)
  assert.equal(planClaim(generated, () => true, pod({ phase: 'Running' })).remove, false)
})

test('a pod that somebody else placed reserves its allocated claim', () => {
  const free = claim({ allocation: ALLOCATED.allocation })
  assert.equal(mayReserve(free, pod({}, { nodeName: 'n' })), true)
  assert.equal(mayReserve(free, pod()), false)
  assert.equal(mayReserve(claim(ALLOCATED), pod({}, { nodeName: 'n' })), false)
})
