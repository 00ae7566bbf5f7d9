/** A client's streams over one SPDY connection: it opens them one by one, each named in its `streamType` header. */
import type { Duplex } from 'node:stream'
import type { Clock } from '../../base/clock.ts'
import type { ClientStreams } from './remoteCommand.ts'
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts'
import type { WantedStreams } from './webSocketStreams.ts'

const STREAM_TYPE = 'streamtype'
const STREAMS_WAIT_MS = 30_000
/** Newest first. Before v4 the error stream carried bare text; before v3 there was no resize stream. */
export const REMOTE_COMMAND_PROTOCOLS = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
] as const
export type RemoteCommandProtocol = (typeof REMOTE_COMMAND_PROTOCOLS)[number]

export interface SpdyStreamsOptions {
  socket: Duplex
  protocol: RemoteCommandProtocol
  wanted: WantedStreams
  clock: Clock
}

/** Rejects when the client does not open the streams that it announced in time. */
export async function spdyStreams({ socket, protocol, wanted, clock }: SpdyStreamsOptions): Promise<ClientStreams> {
  const version = REMOTE_COMMAND_PROTOCOLS.length - REMOTE_COMMAND_PROTOCOLS.indexOf(protocol)
  const expected = [
    'error',
    ...(wanted.stdin ? ['stdin'] : []),
    ...(wanted.stdout ? ['stdout'] : []),
    ...(wanted.stderr ? ['stderr'] : []),
    ...(wanted.tty && version >= 3 ? ['resize'] : []),
  ]
  const opened = new Map<string, SpdyStream>()
  const complete = Promise.withResolvers<void>()
  const connection = new SpdyConnection({
    socket,
    side: 'server',
    onStream: (stream) => {
      const type = stream.headers[STREAM_TYPE] ?? ''
      if (!expected.includes(type) || opened.has(type)) return void stream.destroy()
      opened.set(type, stream)
      if (opened.size === expected.length) complete.resolve()
    },
  })
  const gone = new AbortController()
  void connection.closed.then(() => {
    gone.abort()
    complete.reject(new Error('the client closed the connection'))
  })
  const cancel = clock.after(STREAMS_WAIT_MS, () => complete.reject(new Error('Timed out waiting for client to create streams')))
  try {
    await complete.promise
  } catch (error) {
    connection.destroy()
    throw error
  } finally {
    cancel()
  }
  const error = opened.get('error') as SpdyStream
  return {
    ...(wanted.stdin && { stdin: opened.get('stdin') }),
    ...(wanted.stdout && { stdout: opened.get('stdout') }),
    ...(wanted.stderr && { stderr: opened.get('stderr') }),
    ...(opened.has('resize') && { resize: opened.get('resize') }),
    gone: gone.signal,
    async finish(status) {
      const text = version >= 4 ? JSON.stringify(status) : status.status === 'Success' ? '' : (status.message ?? '')
      await new Promise<void>((resolve) => error.end(text, () => resolve()))
      for (const stream of opened.values()) if (!stream.writableEnded) stream.end()
      connection.close()
    },
  }
}
