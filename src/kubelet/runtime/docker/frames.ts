/** The engine's way of sending two streams over one connection: a header of 8 bytes (stream, length) before each piece. */

const HEADER_BYTES = 8
const STDERR = 2

export interface Frame {
  stream: 'stdout' | 'stderr'
  data: Buffer
}

/** Pieces come as the engine sent them, however the connection cut them. `whole: false` gives parts of a piece as they arrive. */
export async function* readFrames(source: AsyncIterable<Buffer>, { whole }: { whole: boolean }): AsyncGenerator<Frame> {
  let pending: Buffer = Buffer.alloc(0)
  let stream: Frame['stream'] = 'stdout'
  let bodyBytes = 0
  let waiting: Buffer[] = []
  let inBody = false
  for await (const chunk of source) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    for (;;) {
      if (!inBody) {
        if (pending.length < HEADER_BYTES) break
        stream = pending[0] === STDERR ? 'stderr' : 'stdout'
        bodyBytes = pending.readUInt32BE(4)
        pending = pending.subarray(HEADER_BYTES)
        inBody = true
      }
      const part = pending.subarray(0, bodyBytes)
      pending = pending.subarray(part.length)
      bodyBytes -= part.length
      if (part.length > 0 && !whole) yield { stream, data: part }
      if (part.length > 0 && whole) waiting.push(part)
      if (bodyBytes > 0) break
      inBody = false
      if (whole && waiting.length > 0) yield { stream, data: waiting.length === 1 ? part : Buffer.concat(waiting) }
      waiting = []
    }
  }
}
