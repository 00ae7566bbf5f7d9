import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type Duplex, duplexPair } from 'node:stream'
import { describe, test } from 'node:test'
import { constants, createDeflate, deflateSync } from 'node:zlib'
import * as fc from 'fast-check'
import { SpdyConnection, type SpdyStream } from './connection.ts'
import { dataFrame, pingFrame, readFrames, rstStreamFrame, synReplyFrame } from './frames.ts'
import { DICTIONARY, HeaderDecoder, HeaderEncoder, decodePairs, encodePairs } from './headers.ts'

async function* inChunks(bytes: Buffer, sizeBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes)
}

describe('headers', () => {
  test("the dictionary is the protocol's", () => assert.equal(DICTIONARY.length, 1423))
  test('pairs come out as they went in', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.stringMatching(/^[a-z-]{1,20}$/),
          fc.string().filter((s) => !s.includes('\0')),
        ),
        (headers) => {
          assert.deepEqual({ ...decodePairs(encodePairs(headers)) }, { ...headers })
        },
      ),
    )
  })
  test('a block that lies about its lengths is refused', () => {
    for (const bytes of [
      [0, 0, 0, 1],
      [0, 0, 0, 1, 0, 0, 0, 9, 97],
      [255, 255, 255, 255],
    ])
      assert.throws(() => decodePairs(Buffer.from(bytes)), RangeError)
  })
  test('ours can be read, one block after the other', async () => {
    const [encoder, decoder] = [new HeaderEncoder(), new HeaderDecoder()]
    const blocks: Record<string, string>[] = [{ streamtype: 'error' }, {}, { port: '80', requestid: '1' }]
    for (const headers of blocks) {
      assert.deepEqual({ ...(await decoder.decode(encoder.encode(headers))) }, headers)
    }
    decoder.close()
  })
  test("zlib's can be read, one context for all blocks", async () => {
    const deflate = createDeflate({ dictionary: DICTIONARY, flush: constants.Z_SYNC_FLUSH })
    const decoder = new HeaderDecoder()
    for (const headers of [
      { streamtype: 'error', port: '8080' },
      { streamtype: 'data', port: '8080' },
    ]) {
      deflate.write(encodePairs(headers))
      const [block] = (await once(deflate, 'data')) as [Buffer]
      assert.deepEqual({ ...(await decoder.decode(block)) }, headers)
    }
    decoder.close()
    deflate.destroy()
  })
  test('garbage is an error, and so is what unpacks without end', async () => {
    await assert.rejects(new HeaderDecoder().decode(Buffer.from('garbage')))
    const bomb = deflateSync(Buffer.alloc(10_000_000), { dictionary: DICTIONARY })
    await assert.rejects(new HeaderDecoder().decode(bomb), RangeError)
  })
})

describe('frames', () => {
  test('are bytes as the protocol has them', () => {
    assert.equal(rstStreamFrame(3, 5).toString('hex'), '80030003000000080000000300000005')
    assert.equal(dataFrame(1, Buffer.from('hi'), true).toString('hex'), '00000001010000026869')
    assert.equal(pingFrame(1).toString('hex'), '800300060000000400000001')
    assert.equal(synReplyFrame(1, Buffer.alloc(0)).toString('hex'), '800300020000000400000001')
  })
  test('come out whole, however the connection cuts them', async () => {
    const wire = Buffer.concat([dataFrame(1, Buffer.from('hello'), false), pingFrame(7), dataFrame(1, Buffer.alloc(0), true)])
    for (let sizeBytes = 1; sizeBytes <= wire.length; sizeBytes++) {
      let text = ''
      const other: string[] = []
      for await (const frame of readFrames(inChunks(wire, sizeBytes))) {
        if (frame.control) other.push(`control ${frame.type}`)
        else text += String(frame.data)
        if (!frame.control && frame.fin) other.push('fin')
      }
      assert.deepEqual([text, other], ['hello', ['control 6', 'fin']])
    }
  })
  test('of another version, or endless, are refused', async () => {
    for (const hex of ['8002000600000004', '8003000100ffffff']) {
      await assert.rejects(Array.fromAsync(readFrames(inChunks(Buffer.from(hex, 'hex'), 100))), RangeError)
    }
  })
})

interface Pair {
  client: SpdyConnection
  accepted: SpdyStream[]
  server: SpdyConnection
  raw: Duplex
}

function connect(onStream: (stream: SpdyStream) => void = () => {}): Pair {
  const [a, b] = duplexPair()
  const accepted: SpdyStream[] = []
  const server = new SpdyConnection({
    socket: b,
    side: 'server',
    onStream: (stream) => {
      accepted.push(stream)
      onStream(stream)
    },
  })
  return { client: new SpdyConnection({ socket: a, side: 'client' }), server, accepted, raw: a }
}

async function text(stream: AsyncIterable<unknown>): Promise<string> {
  let all = ''
  for await (const part of stream) all += String(part)
  return all
}

describe('connections', () => {
  test('streams end one direction at a time', async () => {
    const { client } = connect((stream) => {
      let heard = ''
      stream.on('data', (part) => (heard += String(part))).on('end', () => stream.end(`heard ${heard}`))
    })
    const streams = ['a', 'b'].map((name) => client.openStream({ streamType: name }))
    const answers = streams.map(text)
    streams.forEach((stream, i) => stream.end(`from ${i}`))
    assert.deepEqual(await Promise.all(answers), ['heard from 0', 'heard from 1'])
    client.close()
  })
  test('a reset ends the stream on the other side, and only that one', async () => {
    const { client, accepted } = connect()
    const [first, second] = [client.openStream({ n: '1' }), client.openStream({ n: '2' })]
    while (accepted.length < 2) await new Promise((resolve) => setImmediate(resolve))
    const closed = once(accepted[0] as SpdyStream, 'close')
    first.destroy()
    await closed
    const ended = text(accepted[1] as SpdyStream)
    second.end('still here')
    assert.equal(await ended, 'still here')
    client.close()
  })
  test('a reader that does not read holds the writer back, and then gets everything', async () => {
    const { client, accepted } = connect()
    const stream = client.openStream({})
    while (accepted.length < 1) await new Promise((resolve) => setImmediate(resolve))
    const chunk = Buffer.alloc(256 * 1024)
    const chunks = 64
    for (let i = 1; i < chunks; i++) stream.write(chunk)
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    assert.ok((accepted[0]?.readableLength ?? 0) < 4 * 1024 * 1024)
    stream.end(chunk)
    let received = 0
    for await (const part of accepted[0] as SpdyStream) received += (part as Buffer).length
    assert.equal(received, chunks * chunk.length)
    client.close()
  })
  test('a lost connection ends its streams', async () => {
    const { client, server, accepted, raw } = connect()
    client.openStream({})
    while (accepted.length < 1) await new Promise((resolve) => setImmediate(resolve))
    const closed = once(accepted[0] as SpdyStream, 'close')
    raw.destroy()
    await Promise.all([closed, client.closed, server.closed])
  })
})
