/** Connections to processes in containers: exec and attach, with their input's end, window size and exit code. */
import { once } from 'node:events'
import { type Duplex, PassThrough, Writable } from 'node:stream'
import type { Exec } from 'dockerode'
import type { Clock } from '../../../base/clock.ts'
import type { Attached, ExecOptions } from '../runtime.ts'
import { type Engine, engineMessage, unlessGone } from './engine.ts'
import { readFrames } from './frames.ts'

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
  const { ended, ...streams } = openStreams(socket, { stdin, tty })
  const exit = ended.then(() => {
    signal?.removeEventListener('abort', onAbort)
    return execExitCode(exec, clock)
  })
  return { ...streams, resize: ({ width, height }) => patiently(clock, () => exec.resize({ w: width, h: height })), exit }
}

async function execExitCode(exec: Exec, clock: Clock): Promise<number> {
  try {
    for (let tries = 0; tries < RETRIES; tries++) {
      const { Running, ExitCode } = await exec.inspect()
      if (!Running) return ExitCode ?? EXIT_CODE_UNKNOWN
      await clock.sleep(RETRY_DELAY_MS)
    }
  } catch {
    // The container went away together with its process.
  }
  return EXIT_CODE_UNKNOWN
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
  /** Never rejects. */
  ended: Promise<void>
}

function openStreams(socket: Duplex, { stdin, tty }: { stdin: boolean; tty: boolean }): OpenStreams {
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
    try {
      if (stderr)
        for await (const { stream, data } of readFrames(socket, { whole: false })) await give(stream === 'stdout' ? stdout : stderr, data)
      else for await (const data of socket) await give(stdout, data as Buffer)
    } catch {
      // A broken connection ends the streams like any other end; the exit code says the rest.
    }
    for (const output of outputs) output.end()
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
