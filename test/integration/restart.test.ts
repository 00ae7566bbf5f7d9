/** The API server on its database: what was there before a restart is there after it, at the same revisions, and watches go on. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { configmaps, services } from '../../src/api/kinds/core/v1.ts'
import { isExpired } from '../../src/api/status.ts'
import { startTestServer } from '../../src/apiserver/testServer.ts'
import { systemClock } from '../../src/base/clock.ts'
import { Client } from '../../src/client/client.ts'
import { openSqliteStore } from '../../src/storage/sqlite/sqliteStore.ts'
import type { ConfigMap } from '../../src/api/kinds/core/v1.ts'
import type { WatchEvent } from '../../src/client/client.ts'
import type { Store } from '../../src/storage/store.ts'

const folder = mkdtempSync(join(tmpdir(), 'minicube-restart-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Running {
  client: Client
  store: Store
  stop(): Promise<void>
}

async function start(): Promise<Running> {
  const store = openSqliteStore({ path: join(folder, 'state.db'), clock: systemClock })
  const cluster = await startTestServer({ store })
  const client = new Client(cluster.server.directTransport({ name: 'test', groups: ['system:masters'], extra: {} }))
  return { client, store, stop: () => cluster.stop().then(() => store.close()) }
}

const configMap = (name: string, value: string): Omit<ConfigMap, 'metadata'> & { metadata: { name: string; namespace: string } } => ({
  metadata: { name, namespace: 'default' },
  data: { value },
})

const WATCH_LIMIT_MS = 5_000

/** The next events after a revision, so many of them. */
async function eventsAfter(client: Client, resourceVersion: string, count: number): Promise<string[]> {
  const found: string[] = []
  const signal = AbortSignal.timeout(WATCH_LIMIT_MS)
  const events: AsyncIterable<WatchEvent<ConfigMap>> = client.watch(configmaps, {
    namespace: 'default',
    fieldSelector: 'metadata.name!=kube-root-ca.crt',
    resourceVersion,
    signal,
  })
  for await (const event of events) {
    if (event.type === 'BOOKMARK') continue
    found.push(`${event.type} ${event.object.metadata.name} ${event.object.data?.['value']}`)
    if (found.length === count) break
  }
  return found
}

test('objects, revisions, addresses and watches outlive the process', async () => {
  const first = await start()
  const a = await first.client.create(configmaps, configMap('a', '1'))
  const old = a.metadata.resourceVersion
  await first.client.patch(configmaps, { namespace: 'default', name: 'a', type: 'application/merge-patch+json' }, { data: { value: '2' } })
  await first.client.create(configmaps, configMap('b', '1'))
  await first.client.delete(configmaps, { namespace: 'default', name: 'b' })
  const service = await first.client.create(services, { metadata: { name: 's', namespace: 'default' }, spec: { ports: [{ port: 80 }] } })
  const before = await first.client.list(configmaps, { namespace: 'default' })
  await first.stop()

  const second = await start()
  try {
    const listed = await second.client.list(configmaps, { namespace: 'default' })
    assert.deepEqual(listed.items, before.items)
    assert.ok(Number(listed.resourceVersion) >= Number(before.resourceVersion))

    const next = await second.client.create(configmaps, configMap('c', '1'))
    assert.ok(Number(next.metadata.resourceVersion) > Number(before.resourceVersion), 'a revision is never given twice')
    const other = await second.client.create(services, { metadata: { name: 't', namespace: 'default' }, spec: { ports: [{ port: 80 }] } })
    assert.notEqual(other.spec?.clusterIP, service.spec?.clusterIP, 'an address is never given twice')

    const stale = { ...(await second.client.get(configmaps, { namespace: 'default', name: 'a' })), data: { value: '3' } }
    const conflicting = second.client.update(configmaps, { ...stale, metadata: { ...stale.metadata, resourceVersion: old } })
    await assert.rejects(conflicting, /the object has been modified/)

    assert.deepEqual(await eventsAfter(second.client, listed.resourceVersion, 1), ['ADDED c 1'])
    const missed = await eventsAfter(second.client, old, 3).catch((error: unknown) => error)
    if (!Array.isArray(missed)) assert.ok(isExpired(missed), `neither events nor 410: ${String(missed)}`)
    else assert.deepEqual(missed, ['MODIFIED a 2', 'ADDED b 1', 'DELETED b 1'])
  } finally {
    await second.stop()
  }
})

test('a revision that was compacted away is gone for watches, and lists go on', async () => {
  const running = await start()
  try {
    const first = await running.client.create(configmaps, configMap('d', '1'))
    const revision = await running.store.revision()
    await running.store.compact(revision)
    await running.stop()
    const again = await start()
    try {
      assert.equal(
        (await again.client.get(configmaps, { namespace: 'default', name: 'd' })).metadata.resourceVersion,
        first.metadata.resourceVersion,
      )
      await assert.rejects(eventsAfter(again.client, '1', 1), isExpired)
    } finally {
      await again.stop()
    }
  } catch (error) {
    await running.stop().catch(() => {})
    throw error
  }
})
