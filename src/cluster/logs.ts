/** `minicube logs`: the container's log, which is what init and every component wrote, one JSON object a line. */
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { printable } from '../base/printable.ts'
import { FrameReader } from './nodeStream.ts'
import { type ClusterOptions, openNode } from './runningNode.ts'
import { usageError } from './userError.ts'

export interface LogsOptions extends ClusterOptions {
  follow?: boolean
  /** The last so many lines (of the component, where one is named and nothing is followed); all unless given. */
  tail?: number
  /** Only lines of this one. */
  component?: string
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

/**
 * A stopped node's log can be read as well. Ends with the log, or with the signal when following. Throws where a log that has
 * been read to its end has no line of the component: it tells which ones it has.
 */
export async function* readLogs(options: LogsOptions): AsyncGenerator<LogLine> {
  const { follow = false, component, tail } = options
  if (follow || component === undefined) {
    for await (const line of readLines({ ...options, follow })) if (!component || line.entry?.component === component) yield line
    return
  }
  const found: LogLine[] = []
  const components = new Set<string>()
  for await (const line of readLines({ ...options, follow, tail: undefined })) {
    if (line.entry?.component) components.add(line.entry.component)
    if (line.entry?.component !== component) continue
    found.push(line)
    if (tail !== undefined && found.length > tail) found.shift()
  }
  if (components.has(component)) yield* found
  else throw usageError(`the log has no line of "${component}"`, `There are lines of: ${[...components].sort().join(', ')}`)
}

async function* readLines(options: ClusterOptions & { follow: boolean; tail?: number | undefined }): AsyncGenerator<LogLine> {
  const { signal, follow, tail } = options
  const { container } = await openNode(options, { stopped: true })
  const query = { stdout: true, stderr: true, ...(tail !== undefined && { tail }) }
  const text = new PassThrough()
  if (follow) {
    const stream = await container.logs({ ...query, follow: true, abortSignal: signal } as typeof query & { follow: true })
    container.modem.demuxStream(stream, text, text)
    stream.on('end', () => text.end())
    stream.on('error', () => text.end())
    signal.addEventListener('abort', () => text.end(), { once: true })
  } else {
    const all = await container.logs({ ...query, follow: false })
    text.end(Buffer.concat(new FrameReader().read(all).map(({ payload }) => payload)))
  }
  for await (const line of createInterface({ input: text, crlfDelay: Infinity })) yield parseLogLine(line)
}
