/** Runs other programs. A failure carries the command line and what the program printed. */
import { execa } from 'execa'

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
  env?: Record<string, string>
  timeoutMs?: number
}

/** Runs a program to its end and answers what it printed. Throws ExecError when it fails or cannot be started. */
export async function run(file: string, args: readonly string[], options: ExecOptions = {}): Promise<{ stdout: string; stderr: string }> {
  const { input, signal, cwd, env, timeoutMs } = options
  const result = await execa(file, args, {
    reject: false,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    ...(signal && { cancelSignal: signal }),
    ...(cwd && { cwd }),
    ...(env && { env }),
    ...(timeoutMs && { timeout: timeoutMs }),
  })
  if (signal?.aborted) throw signal.reason
  if (result.failed) {
    throw new ExecError([file, ...args].join(' '), result.exitCode, result.stdout ?? '', result.stderr ?? '', result.cause)
  }
  return { stdout: result.stdout ?? '', stderr: result.stderr ?? '' }
}
