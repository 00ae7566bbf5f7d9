import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test, type TestContext } from 'node:test'
import { engineGet, type EngineAddress, pingEngine } from './address.ts'

async function answering(t: TestContext, code: number, body: string): Promise<EngineAddress> {
  const server = createServer((_request, response) => response.writeHead(code, { 'content-type': 'application/json' }).end(body))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { host: `tcp://127.0.0.1:${(server.address() as { port: number }).port}` } as EngineAddress
}

const { signal } = new AbortController()

test('what an engine answers', async (t) => {
  assert.deepEqual(await engineGet(await answering(t, 200, '{"Id":"a"}'), '/images/a/json', signal), { Id: 'a' })
  const refusal = engineGet(await answering(t, 409, '{"message":"in use"}'), '/x', signal)
  await assert.rejects(refusal, { statusCode: 409, message: 'in use' })
})

test('an answer that is no JSON is a failure of that request alone', async (t) =>
  assert.rejects(engineGet(await answering(t, 200, '<html>'), '/version', signal), /is no container engine$/))

test('why an engine is not there, in words', async (t) => {
  assert.equal(await pingEngine(await answering(t, 200, '{}'), signal), undefined)
  assert.equal(await pingEngine(await answering(t, 503, '{"message":"draining"}'), signal), 'it answers HTTP 503: draining')
  assert.equal(await pingEngine(await answering(t, 502, '""'), signal), 'it answers HTTP 502')
  assert.equal(await pingEngine({ host: 'unix:///gone.sock', source: '' }, signal), 'no such socket')
})
