import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import { FakeClock } from '../../base/clock.ts'
import type { RequestContext } from '../transport/filters.ts'
import { OpenApiHandler } from './handler.ts'

interface Answer { status: number; headers: Record<string, string>; body: Uint8Array | undefined }

const handler = new OpenApiHandler({
  catalog: loadCatalog(),
  clock: new FakeClock(Date.UTC(2026, 0, 1)),
  more: { hashes: () => new Map([['apis/example.com/v1', 'AB']]), document: (name) => (name === 'apis/example.com/v1' ? { json: Buffer.from('{}'), hash: 'AB' } : undefined) },
})

async function get(target: string, headers: Record<string, string> = {}): Promise<Answer | undefined> {
  const url = new URL(target, 'https://server')
  let answer: Answer | undefined
  const exchange = { method: 'GET', headers, respond: (status: number, given: Record<string, string>, body?: Uint8Array) => void (answer = { status, headers: given, body }) }
  const handled = await handler.handle({ exchange, path: url.pathname, query: url.searchParams } as unknown as RequestContext)
  return handled ? answer : undefined
}

test('the index leads to documents that may be kept', async () => {
  const index = await get('/openapi/v3')
  assert.equal(index?.headers['content-type'], 'text/plain; charset=utf-8')
  const { paths } = JSON.parse(Buffer.from(index?.body ?? []).toString()) as { paths: Record<string, { serverRelativeURL: string }> }
  assert.equal(paths['apis/example.com/v1']?.serverRelativeURL, '/openapi/v3/apis/example.com/v1?hash=AB')
  const url = paths['apis/apps/v1']?.serverRelativeURL ?? ''
  const document = await get(url)
  assert.equal(document?.status, 200)
  assert.equal(document?.headers['cache-control'], 'public, immutable')
  assert.equal(document?.headers['expires'], 'Fri, 01 Jan 2027 00:00:00 GMT')
  assert.equal((await get(url, { 'if-none-match': document?.headers['etag'] ?? '' }))?.status, 304)
  const wrong = await get('/openapi/v3/apis/apps/v1?hash=0')
  assert.deepEqual([wrong?.status, wrong?.headers['location']], [301, url])
})

test('formats are negotiated, unknown paths left alone', async () => {
  assert.equal((await get('/openapi/v2', { accept: 'text/plain' }))?.status, 406)
  assert.equal((await get('/openapi/v2'))?.headers['content-type'], 'application/json')
  const asked = { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' }
  assert.equal((await get('/openapi/v2', asked))?.headers['content-type'], 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf')
  assert.equal((await get('/openapi/v3/apis/example.com/v1'))?.status, 200)
  assert.equal(await get('/openapi/v3/apis/nothing/v1'), undefined)
  assert.equal(await get('/version'), undefined)
})
