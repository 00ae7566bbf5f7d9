import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodes, type Node } from '../api/kinds/core/v1.ts'
import { HandFedInformers } from '../client/testing/handFedInformers.ts'
import { nodeReady } from './readiness.ts'

const nodeThat = (name: string, ready: string): Node => ({
  metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: {},
  status: { conditions: [{ type: 'Ready', status: ready }] },
})

test('a node is waited for until it is Ready', async () => {
  const informers = new HandFedInformers()
  let done = false
  const waiting = nodeReady(informers, 'n', new AbortController().signal).then(() => (done = true))
  informers.set(nodes, nodeThat('other', 'True'))
  informers.set(nodes, nodeThat('n', 'False'))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(done, false)
  informers.set(nodes, nodeThat('n', 'True'))
  await waiting
  assert.equal(informers.listeners(nodes), 0)
})

test('waiting ends with its signal, also with one that has aborted before', async () => {
  const informers = new HandFedInformers()
  const stop = new AbortController()
  const waiting = nodeReady(informers, 'n', stop.signal)
  stop.abort(new Error('stop'))
  await assert.rejects(waiting, /stop/)
  await assert.rejects(nodeReady(informers, 'n', stop.signal), /stop/)
  assert.equal(informers.listeners(nodes), 0)
})
