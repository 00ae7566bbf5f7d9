import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ClientRequest } from 'node:http'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { ConnectionTurns } from './connectionTurns.ts'

const HANDSHAKES = 8

/** So many calls at once; each that gets its turn is left connecting. */
function burst(count: number) {
  const clock = new FakeClock()
  const turns = new ConnectionTurns(clock)
  const sockets: EventEmitter[] = []
  const stop = new AbortController()
  for (let i = 0; i < count; i++)
    void turns.take(stop.signal).then(() => {
      const request = new EventEmitter() as ClientRequest
      turns.opened(request)
      const socket = new EventEmitter()
      request.emit('socket', socket)
      sockets.push(socket)
    })
  const connected = (): void => sockets.forEach((socket) => socket.emit('secureConnect'))
  const settle = (): Promise<void> => clock.advance(0)
  return { clock, turns, sockets, stop, connected, settle }
}

test('few connections are made at once, and no more while none of them is there', async () => {
  const { clock, sockets, connected } = burst(100)
  await clock.advance(500)
  assert.equal(sockets.length, HANDSHAKES)
  connected()
  await clock.advance(10)
  assert.equal(sockets.length, 2 * HANDSHAKES, 'slow webhooks get more of them')
})

test('who waits takes what comes free, and then hardly any new one is made', async () => {
  const { clock, turns, sockets, connected, settle } = burst(100)
  await settle()
  connected()
  for (let i = 0; i < 5; i++) turns.freed()
  await settle()
  assert.equal(sockets.length, HANDSHAKES + 5)
  connected()
  await clock.advance(10)
  assert.equal(sockets.length, HANDSHAKES + 6)
})

test('nobody waits longer than they want', async () => {
  const { turns, sockets, stop, connected, settle } = burst(20)
  await settle()
  stop.abort()
  await settle()
  assert.equal(sockets.length, 20, 'what is aborted goes on to be told so')
  connected()
  assert.ok(turns.isIdle)
})
