import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { Writable } from 'node:stream'
import { isWebSocketRequest, webSocketAnswer, webSocketHandshake } from './webSocketAnswer.ts'

type Answer = (messages: Writable) => void
let answer: Answer = () => {}
let contentType = 'text/plain'
const server = createServer()

before(async () => {
  server.on('upgrade', ({ headers }, socket, head) => {
    assert.ok(isWebSocketRequest(headers))
    const writeHead = (status: number, more: Record<string, string>): void => {
      const lines = Object.entries(more).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.write(`HTTP/1.1 ${status} \r\n${lines.join('')}\r\n`)
    }
    const protocol = webSocketHandshake({ ...headers, origin: 'https://page' }, contentType)
    assert.ok(typeof protocol === 'string')
    answer(webSocketAnswer(socket, { headers, protocol, head, contentType, writeHead }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
after(() => server.close())

async function read(type: string, protocols: string[], write: Answer): Promise<{ protocol: string; messages: unknown[]; code: number }> {
  contentType = type
  answer = write
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, protocols)
  client.binaryType = 'arraybuffer'
  const messages: unknown[] = []
  client.addEventListener('message', ({ data }) =>
    messages.push(data instanceof ArrayBuffer ? Buffer.from(data).toString() : `text ${data}`),
  )
  const [closed] = (await once(client, 'close')) as [CloseEvent]
  return { protocol: client.protocol, messages, code: closed.code }
}

test('what is written at once is one message, of any size, and the end is a normal closure', async () => {
  const sizes = [1, 125, 126, 65_535, 65_536]
  const { messages, code, protocol } = await read('text/plain', ['binary.k8s.io'], (stream) => {
    for (const size of sizes) stream.write('x'.repeat(size))
    stream.end()
  })
  assert.deepEqual(
    messages,
    sizes.map((size) => 'x'.repeat(size)),
  )
  assert.deepEqual([code, protocol], [1000, 'binary.k8s.io'])
})

test('JSON goes as text, and what asks for base64 gets it; a token among the protocols is never said back', async () => {
  const hello: Answer = (stream) => stream.end('{}\n')
  assert.deepEqual((await read('application/json', [], hello)).messages, ['text {}\n'])
  const offered = ['base64url.bearer.authorization.k8s.io.dG9rZW4', 'base64.binary.k8s.io']
  assert.deepEqual(await read('text/plain', offered, hello), { messages: ['text e30K'], protocol: 'base64.binary.k8s.io', code: 1000 })
})

test("a client's messages are passed over, and its closing ends the answer", async () => {
  contentType = 'text/plain'
  let stream: Writable | undefined
  answer = (opened) => (stream = opened)
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  await once(client, 'open')
  for (const size of [3, 300, 70_000]) client.send('y'.repeat(size))
  client.close(1000)
  const [closed] = (await once(client, 'close')) as [CloseEvent]
  assert.equal(closed.code, 1000)
  assert.ok(stream)
  if (!stream.destroyed) await once(stream, 'close')
})

test('a handshake is refused in the words of the library that upstream uses', () => {
  const sound = { 'sec-websocket-key': 'k', 'sec-websocket-version': '13', origin: 'https://page' }
  const token = 'base64url.bearer.authorization.k8s.io.dG9rZW4'
  const cases: [type: string, headers: Record<string, string>, outcome: string | number][] = [
    ['application/json', {}, ''],
    ['application/json', { 'sec-websocket-key': '' }, 400],
    ['application/json', { 'sec-websocket-version': '8' }, 400],
    ['application/json', { origin: '' }, 403],
    ['application/json', { origin: 'null' }, 403],
    ['application/json', { origin: '*' }, ''],
    ['application/json', { 'sec-websocket-protocol': 'mine' }, 'mine'],
    ['application/json', { 'sec-websocket-protocol': `${token}, base64.binary.k8s.io` }, 'base64.binary.k8s.io'],
    ['application/json', { 'sec-websocket-protocol': 'binary.k8s.io, base64.binary.k8s.io' }, 400],
    ['text/plain', { origin: '' }, ''],
    ['text/plain', { 'sec-websocket-protocol': 'mine, base64.binary.k8s.io, binary.k8s.io' }, 'base64.binary.k8s.io'],
    ['text/plain', { 'sec-websocket-protocol': 'mine' }, 403],
  ]
  for (const [type, headers, outcome] of cases) {
    const found = webSocketHandshake({ ...sound, ...headers }, type)
    assert.equal(typeof found === 'string' ? found : found.status, outcome, JSON.stringify([type, headers]))
  }
})
