import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import { LOOPBACK_USER } from '../authentication/users.ts'
import type { ApiRequest, Verb } from '../request.ts'
import { componentStatuses } from './componentStatuses.ts'

const resource = loadCatalog().resource('', 'v1', 'componentstatuses')
assert.ok(resource)

function asked(verb: Verb, name: string, query = ''): ApiRequest {
  const signal = AbortSignal.timeout(30_000)
  return {
    user: LOOPBACK_USER,
    verb,
    resource,
    namespace: '',
    name,
    query: new URLSearchParams(query),
    userAgent: '',
    warnings: [],
    signal,
  } as ApiRequest
}

function handler(store: () => Promise<unknown>) {
  const [entry] = componentStatuses(store)
  assert.ok(entry)
  return entry[1]
}

test('the store is asked when somebody asks', async () => {
  let fault: Error | undefined
  const handle = handler(async () => {
    if (fault) throw fault
  })
  const conditions = async (): Promise<unknown> => {
    const result = await handle(asked('get', 'etcd-0'))
    return result.type === 'object' ? (result.object as { conditions?: unknown }).conditions : undefined
  }
  assert.deepEqual(await conditions(), [{ type: 'Healthy', status: 'True', message: 'ok' }])
  fault = new Error('the disk is full')
  assert.deepEqual(await conditions(), [{ type: 'Healthy', status: 'False', error: 'the disk is full' }])
})

test('lists are selected from, and what is none is not found', async () => {
  const handle = handler(async () => {})
  const names = async (query: string): Promise<string[]> => {
    const result = await handle(asked('list', '', query))
    return result.type === 'list' ? result.items.map(({ object }) => object.metadata.name) : []
  }
  assert.deepEqual(await names(''), ['controller-manager', 'scheduler', 'etcd-0'])
  assert.deepEqual(await names('fieldSelector=metadata.name=etcd-0'), ['etcd-0'])
  assert.deepEqual(await names('labelSelector=a'), [])
  assert.equal((await names('fieldSelector==')).length, 3)
  await assert.rejects(
    names('fieldSelector=spec.x=1'),
    /"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"/,
  )
  await assert.rejects(handle(asked('get', 'none')), /componentstatus "none" not found/)
})
