import assert from 'node:assert/strict'
import { test } from 'node:test'
import { homeGroup, isFormerKind } from './formerKinds.ts'
import { loadCatalog } from './load.ts'

const kind = (group: string, version: string, name: string) => ({ group, version, kind: name })

test('former kinds are known, and not served', () => {
  assert.ok(isFormerKind(kind('extensions', 'v1beta1', 'Deployment')))
  assert.ok(!isFormerKind(kind('extensions', 'v1beta1', 'Job')))
  assert.ok(!isFormerKind(kind('apps', 'v1', 'Deployment')))
  for (const served of loadCatalog().kinds) assert.ok(!isFormerKind(served), JSON.stringify(served))
})

test('kinds that moved to another group', () => {
  assert.equal(homeGroup(kind('extensions', 'v1beta1', 'Ingress')), 'networking.k8s.io')
  assert.equal(homeGroup(kind('events.k8s.io', 'v1', 'Event')), '')
  assert.equal(homeGroup(kind('batch', 'v1beta1', 'CronJob')), 'batch')
})
