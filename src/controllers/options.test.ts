import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ControllerContext, ControllerFactory } from '../reconcile/controller.ts'
import { autoscalerOptions, canonicalName, endpointSliceOptions, mirroringOptions, quotaOptions, withWorkers } from './options.ts'

test('the number of keys in work is a flag', () => {
  const factory: ControllerFactory = () => ({ name: 'x', watches: [], reconcile: async () => {} })
  const workers = (name: string): number | undefined =>
    withWorkers(name, factory, { 'concurrent-job-syncs': 9 })({} as ControllerContext).workers
  assert.equal(workers('job-controller'), 9)
  assert.equal(workers('cronjob-controller'), undefined)
})

test('what is not set is left to the controller', () => {
  assert.deepEqual(autoscalerOptions({ 'horizontal-pod-autoscaler-sync-period': 1_000 }), { syncPeriodMs: 1_000 })
})

test('sizes and times of slices and quotas are flags', () => {
  assert.deepEqual(endpointSliceOptions({ 'max-endpoints-per-slice': 10, 'endpointslice-updates-batch-period': 500 }), {
    maxEndpoints: 10,
    batchMs: 500,
  })
  assert.deepEqual(mirroringOptions({ 'mirroring-max-endpoints-per-subset': 7 }), { maxEndpoints: 7 })
  assert.deepEqual(quotaOptions({ 'resource-quota-sync-period': 1_000 }), { resyncMs: 1_000 })
})

test('former names', () => {
  assert.equal(canonicalName('podgc'), 'pod-garbage-collector-controller')
  assert.equal(canonicalName('job-controller'), 'job-controller')
})
