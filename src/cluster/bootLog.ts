/**
 * How the node comes up, read from the container's log as it is written instead of asking again and again: init and the node
 * process print `{"event":"boot","phase":…}` lines, or `{"event":"boot-failed","error":…}`. A log that ends is a container that ended.
 */
import type Docker from 'dockerode'
import { PassThrough } from 'node:stream'
import { createInterface } from 'node:readline'
import { fullDiskError, saysDiskFull, UserError } from './userError.ts'

/** In the order in which they are reached; one may be left out by the node, and counts as reached with the next. */
export const BOOT_PHASES = ['engine', 'api', 'node', 'dns', 'ready'] as const
export type BootPhase = (typeof BOOT_PHASES)[number]

export const PHASE_MESSAGES: Record<BootPhase, string> = {
  engine: 'the container engine inside',
  api: 'the API server',
  node: 'the node to be Ready',
  dns: 'cluster DNS',
  ready: 'the rest of the control plane',
}

export type BootLine = { kind: 'phase'; phase: BootPhase; elapsedMs: number } | { kind: 'failed'; error: string } | { kind: 'other' }

export function parseBootLine(line: string): BootLine {
  if (!line.includes('"event"')) return { kind: 'other' }
  let entry: { event?: string; phase?: string; elapsedMs?: number; error?: unknown }
  try {
    entry = JSON.parse(line) as typeof entry
  } catch {
    return { kind: 'other' }
  }
  if (entry.event === 'boot-failed') return { kind: 'failed', error: reasonOf(entry.error) }
  const phase = BOOT_PHASES.find((one) => one === entry.phase)
  return entry.event === 'boot' && phase ? { kind: 'phase', phase, elapsedMs: entry.elapsedMs ?? 0 } : { kind: 'other' }
}

/** The logger writes errors as objects with message and stack; init, being a shell script, as text. */
function reasonOf(error: unknown): string {
  const text: unknown = typeof error === 'object' && error !== null && 'message' in error ? error.message : error
  return typeof text === 'string' ? text : 'no reason given'
}

/** How many of the last lines a failure shows. */
const TAIL_LINES = 15

export class BootLog {
  readonly #reached = new Map<BootPhase, PromiseWithResolvers<number>>(BOOT_PHASES.map((phase) => [phase, Promise.withResolvers<number>()]))
  readonly #tail: string[] = []
  readonly #stop: () => void

  constructor(stop: () => void) {
    this.#stop = stop
    for (const { promise } of this.#reached.values()) promise.catch(() => {})
  }

  /** Resolves with the milliseconds since the node process started when the phase, or one after it, is reached. */
  async waitFor(phase: BootPhase, signal: AbortSignal): Promise<number> {
    const reached = this.#reached.get(phase) as PromiseWithResolvers<number>
    const onAbort = (): void => this.fail(signal.reason as Error)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await reached.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  read(line: string): void {
    this.#tail.push(line)
    if (this.#tail.length > TAIL_LINES) this.#tail.shift()
    const boot = parseBootLine(line)
    if (boot.kind === 'failed') this.fail(this.#failure(`the node could not start: ${boot.error}`))
    if (boot.kind !== 'phase') return
    for (const phase of BOOT_PHASES.slice(0, BOOT_PHASES.indexOf(boot.phase) + 1)) this.#reached.get(phase)?.resolve(boot.elapsedMs)
  }

  ended(): void {
    this.fail(this.#failure('the node container ended while it was starting'))
  }

  fail(error: Error): void {
    for (const { reject } of this.#reached.values()) reject(error)
    this.close()
  }

  close(): void {
    this.#stop()
  }

  #failure(message: string): UserError {
    if (isFull(message) || this.#tail.some(isFull)) return fullDiskError(message, { hint: FULL_HINT })
    return new UserError({
      area: 'GUEST',
      sort: 'UNAVAILABLE',
      message: [`${message}; the last lines of its log:`, ...this.#tail.map(readable)].join('\n'),
      hint: 'To look at the node after a failure: minicube start --retain, then minicube logs',
    })
  }
}

/** The last one is SQLite's. */
const isFull = (text: string): boolean => saysDiskFull(text) || /database or disk is full/.test(text)

const FULL_HINT =
  'Make room where the engine keeps its data, a few MiB at least (docker system df; docker info tells the folder as Docker Root Dir), and run the command again. The cluster frees images and volumes of its own once it runs'

/** The message of a JSON line, other lines as they are. */
function readable(line: string): string {
  try {
    const { level, component, message, error } = JSON.parse(line) as Record<string, unknown>
    return ['  ', component && `[${component}]`, level, message, error !== undefined && reasonOf(error)].filter(Boolean).join(' ')
  } catch {
    return `   ${line}`
  }
}

/** Follows the container's log from the moment it was started. */
export async function followBoot(container: Docker.Container, startedAt: string): Promise<BootLog> {
  const stopping = new AbortController()
  const stream = (await container.logs({
    follow: true,
    stdout: true,
    stderr: true,
    since: engineTime(startedAt),
    abortSignal: stopping.signal,
  } as Docker.ContainerLogsOptions & { follow: true })) as NodeJS.ReadableStream
  const text = new PassThrough()
  container.modem.demuxStream(stream, text, text)
  const log = new BootLog(() => {
    stopping.abort()
    ;(stream as unknown as { destroy(): void }).destroy()
    text.destroy()
  })
  stream.on('error', () => {})
  // A connection that breaks closes without an end.
  stream.on('close', () => text.end())
  const lines = createInterface({ input: text, crlfDelay: Infinity })
  lines.on('line', (line) => log.read(line))
  lines.on('close', () => log.ended())
  return log
}

/** Seconds with nanoseconds, which JavaScript's dates cannot hold: the engine's own start time must not be rounded up. */
export function engineTime(iso: string): string {
  const [seconds = '', fraction = ''] = iso.replace(/Z$/, '').split('.')
  return `${Date.parse(`${seconds}Z`) / 1000}.${fraction.padEnd(9, '0').slice(0, 9)}`
}
