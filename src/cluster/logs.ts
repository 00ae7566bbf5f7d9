/** `minicube logs`: the container's log, which is what init and every component wrote, one JSON object a line. */
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { printable } from '../base/printable.ts'
import { type ClusterOptions, openNode } from './runningNode.ts'

export interface LogsOptions extends ClusterOptions {
  follow?: boolean
  /** The last so many lines; all unless given. */
  tail?: number
  sinceMs?: number
}

export interface LogLine {
  /** As it was written. */
  text: string
  /** Undefined where the line is no JSON object: a crash's trace, for example. */
  entry: LogEntry | undefined
}

export interface LogEntry {
  time?: string
  level?: string
  component?: string
  message?: string
  [field: string]: unknown
}

export function parseLogLine(text: string): LogLine {
  if (!text.startsWith('{')) return { text, entry: undefined }
  try {
    return { text, entry: JSON.parse(text) as LogEntry }
  } catch {
    return { text, entry: undefined }
  }
}

/** One line for people: time, level, component, message, then the other fields. */
export function formatLogLine({ text, entry }: LogLine): string {
  if (!entry) return printable(text)
  const { time = '', level = '', component, message = '', ...fields } = entry
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return printable([time, level.toUpperCase().padEnd(5), component && `[${component}]`, message, ...rest].filter(Boolean).join(' '))
}

/** A stopped node's log can be read as well. Ends with the log, or with the signal when following. */
export async function* readLogs(options: LogsOptions): AsyncGenerator<LogLine> {
  const { signal, follow = false, tail, sinceMs } = options
  const { container } = await openNode(options, { stopped: true })
  const query = {
    stdout: true,
    stderr: true,
    ...(tail !== undefined && { tail }),
    ...(sinceMs !== undefined && { since: Math.floor(sinceMs / 1000) }),
  }
  const text = new PassThrough()
  if (follow) {
    const stream = await container.logs({ ...query, follow: true, abortSignal: signal } as typeof query & { follow: true })
    container.modem.demuxStream(stream, text, text)
    stream.on('end', () => text.end())
    stream.on('error', () => text.end())
    signal.addEventListener('abort', () => text.end(), { once: true })
  } else {
    const all = await container.logs({ ...query, follow: false })
    text.end(demux(all))
  }
  for await (const line of createInterface({ input: text, crlfDelay: Infinity })) yield parseLogLine(line)
}

const HEADER_BYTES = 8

function demux(frames: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at + HEADER_BYTES <= frames.length;) {
    const end = at + HEADER_BYTES + frames.readUInt32BE(at + 4)
    parts.push(frames.subarray(at + HEADER_BYTES, end))
    at = end
  }
  return Buffer.concat(parts)
}
