import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { checkPublished, chooseApiPort, parseMemory, parsePublish } from './ports.ts'
import { UserError } from './userError.ts'

test('the first port that is free and that no profile keeps', async () => {
  const busy = new Set([26_443, 26_445])
  assert.equal(await chooseApiPort(new Set([26_444]), async (port) => !busy.has(port)), 26_446)
})

test('a port that somebody listens on is not free', async () => {
  const port = await chooseApiPort(new Set())
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  assert.equal((server.address() as AddressInfo).port, port)
  assert.notEqual(await chooseApiPort(new Set()), port)
  server.close()
})

test('no free port is an error of the local network', async () => {
  await assert.rejects(
    chooseApiPort(new Set(), async () => false),
    (error) => error instanceof UserError && error.exitCode === 79,
  )
})

test('published ports', () => {
  const cases: [string, string, number, number, string][] = [
    ['8080:30080', '127.0.0.1', 8080, 30_080, 'tcp'],
    ['80', '127.0.0.1', 80, 80, 'tcp'],
    ['0.0.0.0:53:30053/udp', '0.0.0.0', 53, 30_053, 'udp'],
    ['[::1]:8080:80/tcp', '::1', 8080, 80, 'tcp'],
  ]
  for (const [text, hostAddress, hostPort, nodePort, protocol] of cases)
    assert.deepEqual(parsePublish(text), { hostAddress, hostPort, nodePort, protocol }, text)
})

test('what is no port to publish is a usage error', () => {
  for (const text of ['', 'x', '0:80', '80:70000', '1:2:3:4', '80/sctp', '80:80/tcp/x', ':80', '-1:80', '8e1:80']) {
    assert.throws(
      () => parsePublish(text),
      (error) => error instanceof UserError && error.exitCode === 14,
      text,
    )
  }
})

test('amounts of memory', () => {
  const cases: [string, number][] = [
    ['4g', 4 * 2 ** 30],
    ['2048', 2 ** 31],
    ['2048mb', 2 ** 31],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['512m', 2 ** 29],
    ['65536k', 2 ** 26],
  ]
  for (const [text, bytes] of cases) assert.equal(parseMemory(text), bytes, text)
  for (const text of ['', 'x', '-1g', '0', '4 gallons', 'g']) assert.throws(() => parseMemory(text), UserError, text)
})

test('a published port that another program has is named', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await assert.rejects(checkPublished([`${port}:30080`]), {
    id: 'IF_CONFLICT',
    message: `port ${port} of 127.0.0.1 cannot be published: another program listens there`,
  })
  await checkPublished([`${port}:30080/udp`])
  server.close()
  await once(server, 'close')
  await checkPublished([`${port}:30080`])
})
