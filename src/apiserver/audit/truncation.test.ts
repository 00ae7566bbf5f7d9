import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditSink } from './audit.ts'
import { truncated, TruncatingSink } from './truncation.ts'

const event = (more: object): string =>
  JSON.stringify({ kind: 'Event', apiVersion: 'audit.k8s.io/v1', level: 'RequestResponse', stage: 'ResponseComplete', ...more })

test('what is too large goes without the objects, and says so', () => {
  const objects = {
    requestObject: { a: 'x'.repeat(500) },
    responseObject: { b: 1 },
    requestReceivedTimestamp: 't',
    annotations: { b: '1' },
  }
  const small = event({ annotations: { b: '1' } })
  assert.equal(truncated(small, small.length + 1), small)
  assert.equal(
    truncated(event(objects), 400),
    event({ requestReceivedTimestamp: 't', annotations: { 'audit.k8s.io/truncated': 'true', b: '1' } }),
  )
  assert.equal(truncated(event(objects), 100), undefined)
  assert.equal(truncated(event({ level: 'Metadata', requestURI: 'x'.repeat(500) }), 400), undefined)
  assert.equal(truncated(small, small.length), undefined)
})

test('what cannot be made shorter is counted as lost', () => {
  const written: string[] = []
  const sink: AuditSink = { plugin: 'log', written: 0, lost: 2, write: (json) => void written.push(json), close: async () => {} }
  const truncating = new TruncatingSink(sink, 200)
  truncating.write(event({}))
  truncating.write(event({ level: 'Metadata', requestURI: 'x'.repeat(500) }))
  assert.deepEqual([written.length, truncating.lost, truncating.plugin], [1, 3, 'log'])
})
