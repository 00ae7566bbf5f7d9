/**
 * Port-forwarding over a SPDY connection (or one tunnelled through a WebSocket): for each forwarded connection the client
 * opens an error and a data stream with the same `requestID` and the port.
 */
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts'

export const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io'
const PAIR_WAIT_MS = 30_000
const DIAL_TIMEOUT_MS = 30_000

export interface PortForwardOptions {
  socket: Duplex
  dial: (port: number, signal: AbortSignal) => Promise<Duplex>
  /** For messages: `name_namespace`. */
  podName: string
  podUid: string
  log: Logger
  clock: Clock
}

interface Pair {
  port: number
  data?: SpdyStream
  error?: SpdyStream
  cancelWait: () => void
}

/** Resolves when the client closes the connection. */
export async function servePortForward(options: PortForwardOptions): Promise<void> {
  const pairs = new Map<string, Pair>()
  const connection = new SpdyConnection({ socket: options.socket, side: 'server', onStream: (stream) => onStream(options, pairs, stream) })
  await connection.closed
  for (const pair of pairs.values()) pair.cancelWait()
}

function onStream(options: PortForwardOptions, pairs: Map<string, Pair>, stream: SpdyStream): void {
  const { streamtype: type, requestid: requestId, port: portText } = stream.headers
  const port = Number(portText)
  if ((type !== 'data' && type !== 'error') || !Number.isInteger(port) || port < 1 || port > 65_535) return void stream.destroy()
  // Old clients give no id: their error stream is always the one just before the data stream.
  const key = requestId ?? String(type === 'error' ? stream.id : stream.id - 2)
  let pair = pairs.get(key)
  if (!pair) {
    const cancelWait = options.clock.after(PAIR_WAIT_MS, () => {
      pairs.delete(key)
      pair?.error?.end('timed out waiting for the data stream')
      pair?.data?.destroy()
    })
    pairs.set(key, (pair = { port, cancelWait }))
  }
  if (pair[type]) return void stream.destroy()
  pair[type] = stream
  if (!pair.data || !pair.error) return
  pair.cancelWait()
  pairs.delete(key)
  void forward(options, pair.port, pair.data, pair.error)
}

async function forward(
  { dial, podName, podUid, log }: PortForwardOptions,
  port: number,
  data: SpdyStream,
  error: SpdyStream,
): Promise<void> {
  const given = new AbortController()
  const giveUp = (): void => given.abort()
  data.once('close', giveUp)
  // Nothing comes on it, but its end.
  error.resume()
  let target: Duplex | undefined
  try {
    target = await dial(port, AbortSignal.any([given.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]))
    // Each direction ends on its own; a broken one takes the other along.
    await Promise.all([pipeline(data, target, { end: true }), pipeline(target, data, { end: true })])
    error.end()
  } catch (cause) {
    if (data.destroyed) {
      error.end()
    } else {
      const message = cause instanceof Error ? cause.message : String(cause)
      log.info('port-forward failed', { pod: podName, port, error: message })
      error.end(`error forwarding port ${port} to pod ${podName}, uid ${podUid}: ${message}`)
    }
  } finally {
    data.off('close', giveUp)
    target?.destroy()
    if (!data.writableEnded) data.end()
    // Whatever else the client sends on it goes nowhere.
    data.resume()
  }
}
