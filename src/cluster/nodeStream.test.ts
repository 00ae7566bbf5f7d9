import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { FrameReader } from './nodeStream.ts'

function frame(stream: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

test('law: frames come out whole, however the bytes are cut', () => {
  const frames = fc.array(fc.record({ stream: fc.constantFrom(1, 2), payload: fc.uint8Array({ maxLength: 50 }) }), { maxLength: 10 })
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 40 }), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map(({ stream, payload }) => frame(stream, payload)))
      const reader = new FrameReader()
      const received: [number, number[]][] = []
      let at = 0
      for (const cut of [...cuts, bytes.length]) {
        received.push(...reader.read(bytes.subarray(at, at + cut)).map(({ stream, payload }): [number, number[]] => [stream, [...payload]]))
        at += cut
      }
      assert.deepEqual(
        received,
        sent.map(({ stream, payload }) => [stream, [...payload]]),
      )
    }),
  )
})
