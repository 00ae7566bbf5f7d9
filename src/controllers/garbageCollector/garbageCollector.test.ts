import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aborted } from '../../base/abort.ts'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { customresourcedefinitions, type CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import { configmaps, type ConfigMap } from '../../api/kinds/core/v1.ts'
import { priorityclasses } from '../../api/kinds/scheduling/v1.ts'
import type { KubeObject } from '../../api/resource.ts'
import { newNotFound } from '../../api/status.ts'
import { Client, type WatchRequest } from '../../client/client.ts'
import { HandFedInformers } from '../../client/testing/handFedInformers.ts'
import { garbageCollector } from './garbageCollector.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const DEFINITION: CustomResourceDefinition = {
  metadata: { ...META, name: 'widgets.example.com', uid: 'crd' },
  spec: {
    group: 'example.com',
    names: { plural: 'widgets', kind: 'Widget' },
    scope: 'Namespaced',
    versions: [{ name: 'v1', served: true, storage: true }],
  },
  status: { conditions: [{ type: 'Established', status: 'True' }] },
}
const WIDGET: KubeObject = { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { ...META, name: 'w', namespace: 'ns', uid: 'w' } }
const OWNED: ConfigMap = {
  metadata: {
    ...META,
    name: 'c',
    namespace: 'ns',
    uid: 'c',
    ownerReferences: [{ apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid: 'w' }],
  },
}

test('what a custom object owns goes, also when its definition is gone before the end of the object was told', async (t) => {
  const clock = new FakeClock()
  const informers = new HandFedInformers()
  const deleted: string[] = []
  const stop = new AbortController()
  const client = new Client({
    async request({ verb, name = '' }) {
      if (verb === 'list') return { resourceVersion: '1', items: [WIDGET] }
      assert.equal(verb, 'delete')
      deleted.push(name)
      return {}
    },
    async *watch({ signal }: WatchRequest) {
      await aborted(signal)
      yield* []
    },
  })
  t.after(() => stop.abort())
  const { signal } = stop
  const controller = garbageCollector({ client, informers, events: { record: () => {} }, signal, log: silentLogger, clock })
  const queued = new Set<string>()
  for (const watch of controller.watches) watch.start(informers, (uid) => queued.add(uid))
  informers.set(customresourcedefinitions, DEFINITION)
  await clock.advance(0)
  informers.set(configmaps, OWNED)
  await controller.reconcile('c', signal)
  assert.deepEqual(deleted, [])
  queued.clear()
  informers.delete(customresourcedefinitions, 'widgets.example.com')
  assert.deepEqual([...queued], ['c'])
  await controller.reconcile('c', signal)
  assert.deepEqual(deleted, ['c'])
})

test('what an owner in a version that nobody serves owns is left alone, one in any served version is looked for', async () => {
  const informers = new HandFedInformers()
  const deleted: string[] = []
  const client = new Client({
    async request({ verb, name = '' }) {
      if (verb === 'get') throw newNotFound({ group: 'apps', resource: 'deployments' }, name)
      deleted.push(name)
      return {}
    },
    watch: () => assert.fail('nothing is watched here'),
  })
  const { signal } = new AbortController()
  const controller = garbageCollector({
    client,
    informers,
    events: { record: () => {} },
    signal,
    log: silentLogger,
    clock: new FakeClock(),
  })
  for (const watch of controller.watches) watch.start(informers, () => {})
  const ownedBy = (name: string, apiVersion: string, kind: string): void =>
    informers.set(configmaps, {
      metadata: { ...OWNED.metadata, name, uid: name, ownerReferences: [{ apiVersion, kind, name: 'x', uid: 'x' }] },
    })
  ownedBy('unserved', 'apps/v1beta1', 'Deployment')
  ownedBy('served', 'apps/v1', 'Deployment')
  ownedBy('other-version', 'autoscaling/v1', 'HorizontalPodAutoscaler')
  ownedBy('unknown', 'nobody.io/v1', 'Thing')
  for (const uid of ['served', 'unserved', 'other-version', 'unknown']) await controller.reconcile(uid, signal)
  assert.deepEqual(deleted, ['served', 'other-version'])
})

test('an object without a namespace is not judged by an owner that has one, be it there, waiting or gone', async () => {
  const informers = new HandFedInformers()
  const client = new Client({
    request: () => assert.fail('nothing is asked or deleted'),
    watch: () => assert.fail('nothing is watched here'),
  })
  const { signal } = new AbortController()
  const told: string[] = []
  const events = { record: (_: unknown, { message }: { message: string }) => void told.push(message) }
  const controller = garbageCollector({ client, informers, events, signal, log: silentLogger, clock: new FakeClock() })
  for (const watch of controller.watches) watch.start(informers, () => {})
  const owner: ConfigMap = { metadata: { ...META, name: 'o', namespace: 'ns', uid: 'o' } }
  informers.set(configmaps, owner)
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'o' }]
  informers.set(priorityclasses, { metadata: { ...META, name: 'p', uid: 'p', ownerReferences }, value: 1 })
  await controller.reconcile('p', signal)
  const waiting = { deletionTimestamp: META.creationTimestamp, finalizers: ['foregroundDeletion'] }
  informers.set(configmaps, { metadata: { ...owner.metadata, ...waiting } })
  await controller.reconcile('p', signal)
  informers.delete(configmaps, 'ns/o')
  await controller.reconcile('p', signal)
  assert.deepEqual(told, ['ownerRef [v1/ConfigMap, namespace: , name: o, uid: o] does not exist in namespace ""'])
})

test('who names an owner of another namespace is told once, whichever of the two comes first', () => {
  const informers = new HandFedInformers()
  const client = new Client({ request: () => assert.fail('nothing is asked'), watch: () => assert.fail('nothing is watched here') })
  const { signal } = new AbortController()
  const told: string[] = []
  const events = { record: ({ metadata }: KubeObject) => void told.push(metadata.name) }
  const controller = garbageCollector({ client, informers, events, signal, log: silentLogger, clock: new FakeClock() })
  for (const watch of controller.watches) watch.start(informers, () => {})
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'o' }]
  const dependent = (name: string, namespace: string, labels = {}): void =>
    informers.set(configmaps, { metadata: { ...META, name, namespace, uid: name, labels, ownerReferences } })
  dependent('early', 'other')
  dependent('at-home', 'ns')
  informers.set(configmaps, { metadata: { ...META, name: 'o', namespace: 'ns', uid: 'o' } })
  dependent('late', 'other')
  dependent('late', 'other', { changed: 'yes' })
  assert.deepEqual(told, ['early', 'late'])
})

test('who starts to wait for its dependents has all of them looked at first, those that do not hold it up as well', () => {
  const informers = new HandFedInformers()
  const client = new Client({ request: () => assert.fail('nothing is asked'), watch: () => assert.fail('nothing is watched here') })
  const { signal } = new AbortController()
  const controller = garbageCollector({
    client,
    informers,
    events: { record: () => {} },
    signal,
    log: silentLogger,
    clock: new FakeClock(),
  })
  const queued: string[] = []
  for (const watch of controller.watches) watch.start(informers, (uid) => queued.push(uid))
  const owner: ConfigMap = { metadata: { ...META, name: 'o', namespace: 'ns', uid: 'o' } }
  informers.set(configmaps, owner)
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'o' }]
  informers.set(configmaps, { metadata: { ...META, name: 'd', namespace: 'ns', uid: 'd', ownerReferences } })
  const leaving = { ...owner.metadata, deletionTimestamp: META.creationTimestamp, finalizers: ['foregroundDeletion'] }
  informers.set(configmaps, { metadata: leaving })
  assert.deepEqual(queued, ['d', 'o'])
})

test('beside an owner of a kind that nobody serves no owner is forgotten, also when its uid is known', async () => {
  const informers = new HandFedInformers()
  const client = new Client({
    async request({ verb, name = '' }) {
      assert.equal(verb, 'get')
      throw newNotFound({ group: '', resource: 'configmaps' }, name)
    },
    watch: () => assert.fail('nothing is watched here'),
  })
  const { signal } = new AbortController()
  const controller = garbageCollector({
    client,
    informers,
    events: { record: () => {} },
    signal,
    log: silentLogger,
    clock: new FakeClock(),
  })
  for (const watch of controller.watches) watch.start(informers, () => {})
  informers.set(configmaps, { metadata: { ...META, name: 'o', namespace: 'ns', uid: 'o' } })
  const ownerReferences = [
    { apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: 'gone' },
    { apiVersion: 'nobody.io/v1', kind: 'Thing', name: 'o', uid: 'o' },
  ]
  informers.set(configmaps, { metadata: { ...META, name: 'd', namespace: 'ns', uid: 'd', ownerReferences } })
  await controller.reconcile('d', signal)
})
