/**
 * Exec and attach, whatever they come over: joins the client's streams with those of the process, and reports how it ended.
 * Keeps the remote command contract of k8s.io/apimachinery (StreamProtocolV4 and later: a v1.Status on the error stream).
 */
import { finished, pipeline } from 'node:stream/promises'
import type { Readable, Writable } from 'node:stream'
import type { Status } from '../../api/kinds/meta/v1.ts'
import type { Logger } from '../../base/logger.ts'
import type { Attached } from '../runtime/runtime.ts'

export interface TerminalSize {
  width: number
  height: number
}

/** The client's side. Streams that it did not ask for are missing. */
export interface ClientStreams {
  stdin?: Readable
  stdout?: Writable
  stderr?: Writable
  /** JSON texts `{"Width":…,"Height":…}`, in one piece or several. */
  resize?: AsyncIterable<Buffer>
  /** How it ended; the last thing that is sent. */
  finish(status: Status): Promise<void>
  /** Aborts when the client is gone. */
  gone: AbortSignal
}

export interface RemoteCommand {
  open(): Promise<Attached>
  /** Attaching tells no exit code; exec does. */
  reportExitCode: boolean
  log: Logger
}

export async function serveRemoteCommand(client: ClientStreams, { open, reportExitCode, log }: RemoteCommand): Promise<void> {
  let process: Attached
  try {
    process = await open()
  } catch (error) {
    await client.finish(failureStatus(error instanceof Error ? error.message : String(error)))
    return
  }
  const leave = (): void => closeOutputs(process)
  client.gone.addEventListener('abort', leave, { once: true })
  if (client.gone.aborted) leave()
  if (client.resize) void followSizes(client.resize, process, log)
  if (client.stdin && process.stdin) void pipeline(client.stdin, process.stdin).catch(() => {})
  await Promise.all([passOn(process.stdout, client.stdout), process.stderr && passOn(process.stderr, client.stderr)])
  const status = await process.exit.then(
    (exitCode) => (reportExitCode && exitCode !== 0 ? exitCodeStatus(exitCode) : SUCCESS),
    (error: unknown) => failureStatus(`error executing command in container: ${error instanceof Error ? error.message : String(error)}`),
  )
  client.gone.removeEventListener('abort', leave)
  if (client.gone.aborted) return
  await client.finish(status)
}

/** Unread output would hold the process up: what nobody asked for, or no longer takes, is dropped. */
async function passOn(output: NodeJS.ReadableStream, to: Writable | undefined): Promise<void> {
  try {
    if (to) return await pipeline(output, to)
  } catch {
    // The client closed this stream, which leaves the others as they are.
  }
  output.resume()
  await finished(output).catch(() => {})
}

function closeOutputs(process: Attached): void {
  for (const output of [process.stdout, process.stderr]) (output as Readable | undefined)?.destroy()
}

const SIZE_TEXT_LIMIT_CHARS = 4096

async function followSizes(texts: AsyncIterable<Buffer>, process: Attached, log: Logger): Promise<void> {
  let pending = ''
  try {
    for await (const text of texts) {
      pending += text.toString('utf8')
      const end = pending.lastIndexOf('}')
      // Several at once: only the last one counts.
      const size = end < 0 ? undefined : parseTerminalSize(pending.slice(pending.lastIndexOf('{', end), end + 1))
      if (end >= 0) pending = pending.slice(end + 1)
      if (pending.length > SIZE_TEXT_LIMIT_CHARS) return
      // A process that has ended has no size to change.
      if (size) await process.resize(size).catch((error: unknown) => log.debug('a terminal cannot be resized', { error: String(error) }))
    }
  } catch {
    // The stream ended with its connection.
  }
}

/** Undefined for what is no size, and for a terminal without extent. */
export function parseTerminalSize(text: string): TerminalSize | undefined {
  try {
    const { Width, Height } = JSON.parse(text) as { Width?: unknown; Height?: unknown }
    if (!isExtent(Width) || !isExtent(Height)) return undefined
    return { width: Width, height: Height }
  } catch {
    return undefined
  }
}

function isExtent(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= 65_535
}

const SUCCESS: Status = { metadata: {}, status: 'Success' }

export function exitCodeStatus(exitCode: number): Status {
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  }
}

function failureStatus(message: string): Status {
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${message}`,
    reason: 'InternalError',
    details: { causes: [{ message }] },
    code: 500,
  }
}
