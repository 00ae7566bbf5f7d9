/**
 * Runs other programs. A failure carries the command line and what the program printed. On nothing but node:child_process: a pod
 * takes several such runs to start, and a library around it cost three times the processor that a run costs itself.
 */
import { spawn, type ChildProcess } from 'node:child_process'

export class ExecError extends Error {
  override readonly name = 'ExecError'
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string

  constructor(command: string, exitCode: number | undefined, stdout: string, stderr: string, cause?: unknown) {
    const said = (stderr || stdout).trim()
    super(`command failed${exitCode === undefined ? '' : ` with exit code ${exitCode}`}: ${command}${said ? `\n${said}` : ''}`, { cause })
    this.exitCode = exitCode
    this.stdout = stdout
    this.stderr = stderr
  }
}

export interface ExecOptions {
  /** Standard input. */
  input?: string
  signal?: AbortSignal
  cwd?: string
  /** Beside the environment of this process. */
  env?: Record<string, string>
  timeoutMs?: number
}

export interface ExecOutput {
  stdout: string
  stderr: string
}

/** A program that does not end when it is told to is killed after this. */
const KILL_AFTER_MS = 5_000
const MAX_OUTPUT_BYTES = 100 * 1024 ** 2

/** Runs a program to its end and answers what it printed, without the last newline. Throws ExecError when it fails or cannot be started. */
export async function run(file: string, args: readonly string[], options: ExecOptions = {}): Promise<ExecOutput> {
  const { input, signal, cwd, env, timeoutMs } = options
  signal?.throwIfAborted()
  const child = spawn(file, args, {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(cwd && { cwd }),
    ...(env && { env: { ...process.env, ...env } }),
  })
  const ending = new Ending(child)
  const abort = (): void => ending.stop(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => ending.stop(new Error(`it took longer than ${timeoutMs} ms`)), timeoutMs)
  // One that reads nothing may be gone before all is written.
  child.stdin?.on('error', () => {})
  child.stdin?.end(input)
  try {
    const [stdout, stderr, { exitCode, cause }] = await Promise.all([
      text(child.stdout, ending),
      text(child.stderr, ending),
      ending.whenEnded,
    ])
    if (signal?.aborted) throw signal.reason
    if (exitCode !== 0 || cause !== undefined) throw new ExecError([file, ...args].join(' '), exitCode, stdout, stderr, cause)
    return { stdout, stderr }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

interface Ended {
  exitCode: number | undefined
  /** Why it could not be started, was told to end, or ended by a signal. */
  cause?: unknown
}

/** The end of a program, of its own accord or because it was told to. */
class Ending {
  readonly whenEnded: Promise<Ended>
  readonly #child: ChildProcess
  #cause: unknown

  constructor(child: ChildProcess) {
    this.#child = child
    this.whenEnded = new Promise((resolve) => {
      child.once('error', (error) => resolve({ exitCode: undefined, cause: error }))
      child.once('close', (code, signal) => {
        const cause = this.#cause ?? (signal ? new Error(`ended by ${signal}`) : undefined)
        resolve({ exitCode: code ?? undefined, ...(cause !== undefined && { cause }) })
      })
    })
  }

  stop(cause: unknown): void {
    this.#cause ??= cause
    this.#child.kill()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), KILL_AFTER_MS)
    void this.whenEnded.then(() => clearTimeout(timer))
  }
}

async function text(stream: NodeJS.ReadableStream | null, ending: Ending): Promise<string> {
  if (!stream) return ''
  const chunks: Buffer[] = []
  let sizeBytes = 0
  stream.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length
    if (sizeBytes <= MAX_OUTPUT_BYTES) chunks.push(chunk)
    else ending.stop(new Error(`it printed more than ${MAX_OUTPUT_BYTES} bytes`))
  })
  await ending.whenEnded
  return Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/, '')
}
