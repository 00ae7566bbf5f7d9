import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { createMemoryStore } from '../../storage/memory/memoryStore.ts'
import { serverIdentity } from './identityLease.ts'
import { MasterLeases } from './masterLeases.ts'

test('a server is known by its host, under the name that upstream gives it', () => {
  assert.equal(serverIdentity('vm'), 'apiserver-wlv32tlttr4jl3gtroqexyxapa')
  assert.notEqual(serverIdentity('vm'), serverIdentity('vm2'))
})

test('servers of one store know of each other until one of them leaves or falls silent', async () => {
  const store = createMemoryStore()
  const clock = new FakeClock()
  const [first, second] = [new MasterLeases(store, clock), new MasterLeases(store, clock)]
  await first.renew('10.0.0.2')
  await second.renew('10.0.0.1')
  assert.deepEqual(await first.addresses(), ['10.0.0.1', '10.0.0.2'])
  await clock.advance(14_000)
  await first.renew('10.0.0.2')
  assert.deepEqual(await first.addresses(), ['10.0.0.1', '10.0.0.2'], 'silent for less than its lease')
  await clock.advance(1_000)
  assert.deepEqual(await first.addresses(), ['10.0.0.2'])
  assert.equal(await store.get('/registry/masterleases/10.0.0.1'), undefined)
  await second.renew('10.0.0.1')
  assert.deepEqual(await first.addresses(), ['10.0.0.1', '10.0.0.2'], 'it comes back')
  await second.remove('10.0.0.1')
  assert.deepEqual(await first.addresses(), ['10.0.0.2'])
})

test('two that write the same lease at once do not disturb each other', async () => {
  const store = createMemoryStore()
  const leases = [new MasterLeases(store, new FakeClock()), new MasterLeases(store, new FakeClock())]
  for (let i = 0; i < 3; i++) await Promise.all(leases.map((each) => each.renew('10.0.0.1')))
  assert.deepEqual(await leases[0]?.addresses(), ['10.0.0.1'])
  await Promise.all(leases.map((each) => each.remove('10.0.0.1')))
  assert.deepEqual(await leases[1]?.addresses(), [])
})
