import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settleDataSources } from './claims.ts'
import { dropDisabledFields } from './disabledFields.ts'
import type { PersistentVolumeClaimSpec, PodSpec } from '../../../api/kinds/core/v1.ts'

const withSignal = (): PodSpec => ({
  containers: [
    { name: 'a', lifecycle: { stopSignal: 'SIGINT' } },
    { name: 'b', lifecycle: { stopSignal: 'SIGINT', preStop: { sleep: { seconds: 1 } } } },
  ],
})

test('what is not on by default is not kept', () => {
  const spec = { ...withSignal(), schedulingGroup: { podGroupName: 'g' } }
  dropDisabledFields(spec)
  assert.deepEqual(spec, { containers: [{ name: 'a' }, { name: 'b', lifecycle: { preStop: { sleep: { seconds: 1 } } } }] })
})

test('what is stored already stays', () => {
  const spec = withSignal()
  dropDisabledFields(spec, withSignal())
  assert.deepEqual(spec, withSignal())
})

test('projections that are off leave an empty source behind', () => {
  const spec: PodSpec = {
    containers: [],
    volumes: [{ name: 'v', projected: { sources: [{ clusterTrustBundle: { name: 'b', path: 'p' } }, { secret: { name: 's' } }] } }],
  }
  dropDisabledFields(spec)
  assert.deepEqual(spec.volumes?.[0]?.projected?.sources, [{}, { secret: { name: 's' } }])
})

test('sources of claims', () => {
  const claim = { kind: 'PersistentVolumeClaim', name: 'c' }
  const other = { apiGroup: 'example.com', kind: 'Thing', name: 't' }
  const table: [string, PersistentVolumeClaimSpec, PersistentVolumeClaimSpec][] = [
    ['the old field fills the new one', { dataSource: claim }, { dataSource: claim, dataSourceRef: claim }],
    ['and the other way round', { dataSourceRef: other }, { dataSourceRef: other, dataSource: other }],
    ['the old field knows claims and snapshots alone', { dataSource: other }, {}],
    ['other namespaces are off', { dataSourceRef: { ...claim, namespace: 'x' } }, {}],
  ]
  for (const [why, spec, settled] of table) {
    const next = structuredClone(spec)
    settleDataSources(next)
    assert.deepEqual(next, settled, why)
  }
})
