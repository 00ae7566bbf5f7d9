import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BoundedQueue } from '../base/boundedQueue.ts'
import { FakeClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { configmaps, type ConfigMap } from '../api/kinds/core/v1.ts'
import type { KubeList } from '../api/resource.ts'
import { newExpired } from '../api/status.ts'
import { Client, type Transport, type WatchEvent, type WatchRequest } from './client.ts'
import type { Change } from './informer.ts'
import { createInformers, informersUntil } from './sharedInformer.ts'

function configMap(name: string, revision: number, data: Record<string, string> = {}): ConfigMap {
  return { metadata: { name, namespace: 'ns', uid: `uid-${name}`, resourceVersion: String(revision), creationTimestamp: '' }, data }
}

/** A server whose lists and watches the test writes by hand. */
class ScriptedTransport implements Transport {
  lists: KubeList<ConfigMap>[] = []
  watches: { request: WatchRequest; events: BoundedQueue<WatchEvent> }[] = []

  async request(): Promise<unknown> {
    const list = this.lists.shift()
    if (!list) throw new Error('no list left')
    return list
  }

  watch(request: WatchRequest): AsyncIterable<WatchEvent> {
    const events = new BoundedQueue<WatchEvent>(100)
    request.signal.addEventListener('abort', () => events.end())
    this.watches.push({ request, events })
    return events
  }
}

function setUp(t: { after(f: () => void): void }) {
  const transport = new ScriptedTransport()
  const stop = new AbortController()
  t.after(() => stop.abort())
  const clock = new FakeClock()
  const informers = createInformers({ client: new Client(transport), signal: stop.signal, log: silentLogger, clock })
  return { transport, informers, clock, stop }
}

const summary = (changes: Change<ConfigMap>[]): string[] =>
  changes.map(({ key, before, after }) => `${key} ${before?.metadata.resourceVersion ?? '-'}→${after?.metadata.resourceVersion ?? '-'}`)

test('lists, then follows the watch from the list’s revision, keeping the very objects', async (t) => {
  const { transport, informers, clock } = setUp(t)
  const a = configMap('a', 1)
  transport.lists.push({ resourceVersion: '5', items: [a] })
  const informer = informers.for(configmaps)
  assert.equal(informers.for(configmaps), informer)
  const changes: Change<ConfigMap>[] = []
  informer.onChange((change) => changes.push(change))
  await informer.synced()
  assert.equal(informer.get('ns/a'), a)
  await clock.advance(0)
  const [watch] = transport.watches
  assert.equal(watch?.request.resourceVersion, '5')
  const b = configMap('b', 6)
  watch.events.push({ type: 'ADDED', object: b })
  watch.events.push({ type: 'MODIFIED', object: configMap('a', 7) })
  watch.events.push({ type: 'DELETED', object: configMap('b', 8) })
  await clock.advance(0)
  assert.deepEqual(summary(changes), ['ns/a -→1', 'ns/b -→6', 'ns/a 1→7', 'ns/b 8→-'])
  assert.deepEqual(
    informer.list('ns').map((c) => c.metadata.name),
    ['a'],
  )
  assert.deepEqual(informer.list('other'), [])
})

test('a watch that ends is resumed after the last revision or bookmark', async (t) => {
  const { transport, informers, clock } = setUp(t)
  transport.lists.push({ resourceVersion: '5', items: [] })
  await informers.for(configmaps).synced()
  await clock.advance(0)
  transport.watches[0]?.events.push({ type: 'BOOKMARK', resourceVersion: '40' })
  transport.watches[0]?.events.end()
  await clock.advance(200)
  assert.equal(transport.watches[1]?.request.resourceVersion, '40')
})

test('a gone revision lists again and tells the difference', async (t) => {
  const { transport, informers, clock } = setUp(t)
  transport.lists.push({ resourceVersion: '5', items: [configMap('same', 1), configMap('changed', 2), configMap('gone', 3)] })
  transport.lists.push({ resourceVersion: '20', items: [configMap('same', 1), configMap('changed', 9), configMap('new', 10)] })
  const informer = informers.for(configmaps)
  await informer.synced()
  const changes: Change<ConfigMap>[] = []
  informer.onChange((change) => changes.push(change))
  changes.length = 0
  await clock.advance(0)
  transport.watches[0]?.events.end(newExpired('too old resource version'))
  await clock.advance(200)
  assert.deepEqual(summary(changes).sort(), ['ns/changed 2→9', 'ns/gone 3→-', 'ns/new -→10'])
  assert.equal(transport.watches[1]?.request.resourceVersion, '20')
})

test('an index follows every change', async (t) => {
  const { transport, informers, clock } = setUp(t)
  transport.lists.push({ resourceVersion: '1', items: [configMap('a', 1, { color: 'red' })] })
  const informer = informers.for(configmaps)
  await informer.synced()
  informer.addIndex('color', (c) => (c.data?.color ? [c.data.color] : []))
  const names = (color: string): string[] => informer.byIndex('color', color).map((c) => c.metadata.name)
  assert.deepEqual(names('red'), ['a'])
  await clock.advance(0)
  transport.watches[0]?.events.push({ type: 'MODIFIED', object: configMap('a', 2, { color: 'blue' }) })
  await clock.advance(0)
  assert.deepEqual([names('red'), names('blue')], [[], ['a']])
})

test('a failing list is tried again with backoff, and waiting for it ends with its signal', async (t) => {
  const { transport, informers, clock } = setUp(t)
  const informer = informers.for(configmaps)
  const impatient = new AbortController()
  const waiting = informer.synced(impatient.signal)
  impatient.abort(new Error('enough'))
  await assert.rejects(waiting, /enough/)
  transport.lists.push({ resourceVersion: '1', items: [] })
  assert.equal(informer.hasSynced, false)
  await clock.advance(100)
  await informer.synced()
  assert.equal(informer.hasSynced, true)
})

test('listeners of one user end with its signal, the informer goes on', async (t) => {
  const { transport, informers, clock } = setUp(t)
  transport.lists.push({ resourceVersion: '1', items: [] })
  const user = new AbortController()
  const scoped = informersUntil(user.signal, informers).for(configmaps)
  const seen: string[] = []
  scoped.onChange(({ key }) => seen.push(key))
  await scoped.synced()
  await clock.advance(0)
  transport.watches[0]?.events.push({ type: 'ADDED', object: configMap('a', 2) })
  await clock.advance(0)
  user.abort()
  transport.watches[0]?.events.push({ type: 'ADDED', object: configMap('b', 3) })
  await clock.advance(0)
  assert.deepEqual(seen, ['ns/a'])
  assert.equal(scoped.resourceVersion, '3')
  assert.equal(informers.for(configmaps).list().length, 2)
})
