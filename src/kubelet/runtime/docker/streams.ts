/** Connections to processes in containers: exec and attach, with their input's end, window size and exit code. */
import { once } from 'node:events'
import { type Duplex, PassThrough, Writable } from 'node:stream'
import type { Exec } from 'dockerode'
import type { Clock } from '../../../base/clock.ts'
import type { Attached, ExecOptions } from '../runtime.ts'
import { type Engine, engineMessage, unlessGone } from './engine.ts'
import { readFrames } from './frames.ts'
import { EXEC_REFUSED, startError } from './startErrors.ts'

/** The engine says that a process ended a moment after its stream did, and takes sizes only once it runs. */
const RETRIES = 50
const RETRY_DELAY_MS = 10
/** When the engine cannot tell. */
const EXIT_CODE_UNKNOWN = 255

type Size = { width: number; height: number }

export async function execIn(engine: Engine, clock: Clock, containerId: string, options: ExecOptions): Promise<Attached> {
  const { command, stdin, tty, signal } = options
  const container = (await engine()).getContainer(containerId)
  let exec: Exec
  let socket: Duplex
  try {
    exec = await container.exec({
      Cmd: [...command],
      AttachStdin: stdin,
      AttachStdout: true,
      AttachStderr: !tty,
      Tty: tty,
    })
    signal?.throwIfAborted()
    socket = await exec.start({ hijack: true, stdin, Tty: tty })
  } catch (error) {
    signal?.throwIfAborted()
    throw new Error(engineMessage(error), { cause: error })
  }
  const onAbort = (): void => void socket.destroy()
  signal?.addEventListener('abort', onAbort, { once: true })
  let code: Promise<Ended> | undefined
  const howItEnded = (): Promise<Ended> => (code ??= execEnd(exec, clock))
  const { ended, ...streams } = openStreams(socket, { stdin, tty, neverRan: async () => !(await howItEnded()).ran })
  const exit = ended.then(async (refusal) => {
    signal?.removeEventListener('abort', onAbort)
    if (refusal === undefined) return (await howItEnded()).exitCode
    throw new Error(`failed to exec in container: failed to start exec "${exec.id}": ${startError(refusal.trim(), 'exec')}`)
  })
  // Whoever waits for it is told.
  exit.catch(() => {})
  return { ...streams, resize: ({ width, height }) => patiently(clock, () => exec.resize({ w: width, h: height })), exit }
}

interface Ended {
  exitCode: number
  /** There was a process. */
  ran: boolean
}

async function execEnd(exec: Exec, clock: Clock): Promise<Ended> {
  try {
    for (let tries = 0; tries < RETRIES; tries++) {
      const { Running, ExitCode, Pid } = await exec.inspect()
      if (!Running) return { exitCode: ExitCode ?? EXIT_CODE_UNKNOWN, ran: Pid !== 0 }
      await clock.sleep(RETRY_DELAY_MS)
    }
  } catch {
    // The container went away together with its process.
  }
  return { exitCode: EXIT_CODE_UNKNOWN, ran: true }
}

export async function attachTo(
  engine: Engine,
  clock: Clock,
  containerId: string,
  options: { stdin: boolean; tty: boolean },
): Promise<Attached> {
  const container = (await engine()).getContainer(containerId)
  const socket = (await container.attach({
    stream: true,
    hijack: true,
    stdin: options.stdin,
    stdout: true,
    stderr: true,
  })) as Duplex
  const { ended, ...streams } = openStreams(socket, options)
  const exit = ended.then(async () => {
    const info = await unlessGone(container.inspect()).catch(() => undefined)
    if (!info) return EXIT_CODE_UNKNOWN
    return info.State.Running ? 0 : info.State.ExitCode
  })
  return { ...streams, resize: ({ width, height }: Size) => patiently(clock, () => container.resize({ w: width, h: height })), exit }
}

async function patiently(clock: Clock, work: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await work()
      return
    } catch (error) {
      if (tries === RETRIES) throw error
      await clock.sleep(RETRY_DELAY_MS)
    }
  }
}

interface OpenStreams extends Pick<Attached, 'stdin' | 'stdout' | 'stderr'> {
  /** What the engine said instead of a process' output, if it could not start one. Never rejects. */
  ended: Promise<string | undefined>
}

interface StreamOptions {
  stdin: boolean
  tty: boolean
  /** Asked once the connection has ended. */
  neverRan?: () => Promise<boolean>
}

function openStreams(socket: Duplex, { stdin, tty, neverRan }: StreamOptions): OpenStreams {
  const stdout = new PassThrough()
  const stderr = tty ? undefined : new PassThrough()
  const outputs = stderr ? [stdout, stderr] : [stdout]
  // Reported by the end of the outputs; an error event nobody listens to would end the process.
  socket.on('error', () => {})
  for (const output of outputs) {
    output.on('error', () => {})
    output.on('close', () => {
      if (outputs.every((o) => o.destroyed)) socket.destroy()
    })
  }
  const ended = (async () => {
    // What may be the engine's own words is kept back until it is known whose they are.
    let held: Buffer | undefined
    let first = neverRan !== undefined
    const take = async (output: PassThrough, data: Buffer): Promise<void> => {
      if (held) await give(stdout, held)
      held = first && data.subarray(0, EXEC_REFUSED.length).toString() === EXEC_REFUSED ? data : undefined
      first = false
      if (!held) await give(output, data)
    }
    try {
      if (stderr)
        for await (const { stream, data } of readFrames(socket, { whole: false })) await take(stream === 'stdout' ? stdout : stderr, data)
      else for await (const data of socket) await take(stdout, data as Buffer)
    } catch {
      // A broken connection ends the streams like any other end; the exit code says the rest.
    }
    const refusal = held && (await neverRan?.()) ? held.toString() : undefined
    if (held && refusal === undefined) await give(stdout, held)
    for (const output of outputs) output.end()
    return refusal
  })()
  return { ...(stdin && { stdin: inputOf(socket) }), stdout, ...(stderr && { stderr }), ended }
}

/** Waits for a slow reader; what a reader that left would have got is dropped. */
async function give(output: PassThrough, data: Buffer): Promise<void> {
  if (output.destroyed || output.write(data)) return
  await Promise.race([once(output, 'drain'), once(output, 'close')])
}

/** Its end closes only the connection's sending half. */
function inputOf(socket: Duplex): Writable {
  const input = new Writable({
    write: (chunk: Buffer, _, done) => void socket.write(chunk, done),
    final: (done) => void socket.end(done),
  })
  input.on('error', () => {})
  return input
}
