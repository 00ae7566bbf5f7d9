import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { isAbort } from '../../base/abort.ts'
import { StatusError } from '../../api/status.ts'
import { readBody } from './exchange.ts'
import type { Exchange } from './exchange.ts'

function exchange(body: PassThrough, headers: Record<string, string> = {}): Exchange {
  return { headers, body } as unknown as Exchange
}

const isTooLarge = (error: unknown): boolean => error instanceof StatusError && error.code === 413

test('a body in pieces is read whole', async () => {
  const body = new PassThrough()
  const read = readBody(exchange(body))
  body.write('one ')
  setImmediate(() => body.end('two'))
  assert.equal(Buffer.from(await read).toString(), 'one two')
})

test('an empty body, and one that has been read already', async () => {
  const body = new PassThrough()
  body.end()
  assert.equal((await readBody(exchange(body))).length, 0)
  assert.equal((await readBody(exchange(body))).length, 0)
})

test('a body that is too large is refused and leaves the stream as it is', async () => {
  const body = new PassThrough()
  const read = readBody(exchange(body), 5)
  body.write('1234')
  setImmediate(() => body.write('56'))
  await assert.rejects(read, isTooLarge)
  assert.equal(body.destroyed, false)
  assert.equal(body.isPaused(), true)
  await assert.rejects(readBody(exchange(new PassThrough(), { 'content-length': '6' }), 5), isTooLarge)
})

test('a client that goes away in the middle, or before', async () => {
  const body = new PassThrough()
  const read = readBody(exchange(body))
  body.write('half')
  setImmediate(() => body.destroy())
  await assert.rejects(read, isAbort)
  await assert.rejects(readBody(exchange(body)), isAbort)
})

test('an error of the stream', async () => {
  const body = new PassThrough()
  const read = readBody(exchange(body))
  body.destroy(new Error('reset'))
  await assert.rejects(read, /reset/)
})
