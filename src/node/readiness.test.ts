import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../api/resource.ts'
import type { Change, Informer, Informers } from '../client/informer.ts'
import { nodeReady } from './readiness.ts'

type Listener = (change: Change<KubeObject>) => void

function setUp() {
  const listeners = new Set<Listener>()
  const informer = {
    onChange(listener: Listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  } as unknown as Informer<KubeObject>
  const informers = { for: () => informer } as unknown as Informers
  const tell = (name: string, ready: string): void => {
    const node = { metadata: { name }, status: { conditions: [{ type: 'Ready', status: ready }] } } as unknown as KubeObject
    for (const listener of listeners) listener({ key: name, before: undefined, after: node })
  }
  return { informers, listeners, tell }
}

test('a node is waited for until it is Ready', async () => {
  const { informers, listeners, tell } = setUp()
  let done = false
  const waiting = nodeReady(informers, 'n', new AbortController().signal).then(() => (done = true))
  tell('other', 'True')
  tell('n', 'False')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(done, false)
  tell('n', 'True')
  await waiting
  assert.equal(listeners.size, 0)
})

test('waiting ends with its signal, also with one that has aborted before', async () => {
  const { informers, listeners } = setUp()
  const stop = new AbortController()
  const waiting = nodeReady(informers, 'n', stop.signal)
  stop.abort(new Error('stop'))
  await assert.rejects(waiting, /stop/)
  await assert.rejects(nodeReady(informers, 'n', stop.signal), /stop/)
  assert.equal(listeners.size, 0)
})
