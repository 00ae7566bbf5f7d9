/** A container's log as the engine's json-file driver kept it, line by line with the time of each. */
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { LogLine, LogOptions } from '../runtime.ts'
import { readFrames } from './frames.ts'

/** The driver cuts longer lines into pieces of this size, each with a time of its own. */
const PIECE_BYTES = 16 * 1024
/** `2026-01-02T03:04:05.000000000Z`, always with nine digits. */
const TIMESTAMP_BYTES = 30
const NEWLINE = 10
const ERROR_BODY_LIMIT_BYTES = 64 * 1024

export async function* readLogs(
  socketPath: string,
  container: { id: string; tty: boolean },
  { follow, tail, sinceMs, signal }: LogOptions,
): AsyncGenerator<LogLine> {
  const query = new URLSearchParams({ stdout: '1', stderr: '1', timestamps: '1', follow: follow ? '1' : '0' })
  if (tail !== undefined) query.set('tail', String(tail))
  if (sinceMs !== undefined) query.set('since', (sinceMs / 1000).toFixed(3))
  const response = await get(socketPath, `/containers/${container.id}/logs?${query}`, signal)
  yield* container.tty ? readTtyLog(response) : readFramedLog(response)
}

async function* readFramedLog(source: AsyncIterable<Buffer>): AsyncGenerator<LogLine> {
  for await (const { stream, data } of readFrames(source, { whole: true })) yield { stream, ...splitTimestamp(data) }
}

/** Without frames: only lines, and inside a long one a time wherever a piece began. */
export async function* readTtyLog(source: AsyncIterable<Buffer>): AsyncGenerator<LogLine> {
  let pending: Buffer = Buffer.alloc(0)
  for await (const chunk of source) {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      const newline = pending.indexOf(NEWLINE)
      const piece = TIMESTAMP_BYTES + 1 + PIECE_BYTES
      // A piece has ended where the next time stands; until that can be seen, wait.
      const length = newline >= 0 && newline < piece ? newline + 1 : pending.length > piece + TIMESTAMP_BYTES ? piece : 0
      if (length === 0) break
      yield { stream: 'stdout', ...splitTimestamp(pending.subarray(0, length)) }
      pending = pending.subarray(length)
    }
  }
  if (pending.length > TIMESTAMP_BYTES) yield { stream: 'stdout', ...splitTimestamp(pending) }
}

function splitTimestamp(data: Buffer): { timestampNs: bigint; data: Buffer } {
  return { timestampNs: parseTimestampNs(data.toString('latin1', 0, TIMESTAMP_BYTES)), data: data.subarray(TIMESTAMP_BYTES + 1) }
}

export function parseTimestampNs(text: string): bigint {
  const seconds = Date.parse(`${text.slice(0, 19)}Z`)
  return BigInt(seconds) * 1_000_000n + BigInt(text.slice(20, 29))
}

/** The answer as a stream, which the client package would gather in memory first. */
async function get(socketPath: string, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  request({ socketPath, path, signal }, resolve).on('error', reject).end()
  const response = await promise
  if (response.statusCode === 200) return response
  let body = ''
  for await (const chunk of response) if (body.length < ERROR_BODY_LIMIT_BYTES) body += String(chunk)
  throw Object.assign(new Error(`the engine gives no log: ${body.trim()}`), { statusCode: response.statusCode })
}
