import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { readFrames } from './frames.ts'
import { parseTimestampNs, readTtyLog } from './logs.ts'

async function* inChunks(bytes: Buffer, sizeBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes)
}

function frame(stream: number, data: string): Buffer {
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(Buffer.byteLength(data), 4)
  return Buffer.concat([header, Buffer.from(data)])
}

const SIZES = [1, 7, 8, 9, 1000, 1e6]
const STAMP = '2026-01-02T03:04:05.000000006Z'

describe('frames', () => {
  test('come out as they went in, however the connection cuts them', async () => {
    const pieces = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.string({ maxLength: 40 })), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 1, max: 30 }), async (sent, sizeBytes) => {
        const wire = Buffer.concat(sent.map(([stream, data]) => frame(stream, data)))
        const whole = await Array.fromAsync(readFrames(inChunks(wire, sizeBytes), { whole: true }))
        const expected = sent.filter(([, data]) => data !== '').map(([stream, data]) => [stream === 2 ? 'stderr' : 'stdout', data])
        assert.deepEqual(
          whole.map(({ stream, data }) => [stream, String(data)]),
          expected,
        )
        const parts = await Array.fromAsync(readFrames(inChunks(wire, sizeBytes), { whole: false }))
        assert.equal(
          Buffer.concat(parts.map(({ data }) => data)).toString('hex'),
          Buffer.from(sent.map(([, data]) => data).join('')).toString('hex'),
        )
      }),
    )
  })
})

describe('the log of a terminal', () => {
  const long = 'x'.repeat(16_384)
  const text = `${STAMP} a\r\n${STAMP} ${long}${STAMP} ${long}${STAMP} end\r\n${STAMP} no newline`
  for (const sizeBytes of SIZES) {
    test(`in chunks of ${sizeBytes}`, async () => {
      const lines = await Array.fromAsync(readTtyLog(inChunks(Buffer.from(text), sizeBytes)))
      assert.deepEqual(
        lines.map(({ data }) => String(data)),
        ['a\r\n', long, long, 'end\r\n', 'no newline'],
      )
      assert.ok(lines.every(({ timestampNs }) => timestampNs === parseTimestampNs(STAMP)))
    })
  }
})

test('times keep their nanoseconds', () => {
  assert.equal(parseTimestampNs(STAMP), BigInt(Date.UTC(2026, 0, 2, 3, 4, 5)) * 1_000_000n + 6n)
})
