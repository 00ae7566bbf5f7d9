/** Runs a command in a container and gathers the beginning of what it prints. */
import { orAbort } from '../../base/abort.ts'
import { goDuration } from '../containers/goDuration.ts'
import type { Attached, Runtime } from '../runtime/runtime.ts'
import { failure, MAX_PROBE_OUTPUT_BYTES, success } from './outcome.ts'
import type { ProbeOutcome } from './outcome.ts'

export interface ExecResult {
  exitCode: number
  output: string
}

/** Reads to the end so that the command never blocks on its output, and keeps the beginning. */
async function collect(attached: Attached): Promise<string> {
  const chunks: Buffer[] = []
  let kept = 0
  const read = async (stream: NodeJS.ReadableStream | undefined): Promise<void> => {
    if (!stream) return
    for await (const chunk of stream as AsyncIterable<Buffer | string>) {
      const bytes = Buffer.from(chunk as Buffer)
      if (kept >= MAX_PROBE_OUTPUT_BYTES) continue
      chunks.push(bytes.subarray(0, MAX_PROBE_OUTPUT_BYTES - kept))
      kept += bytes.length
    }
  }
  await Promise.all([read(attached.stdout), read(attached.stderr)])
  return Buffer.concat(chunks).toString()
}

export async function execInContainer(
  runtime: Runtime,
  containerId: string,
  command: readonly string[],
  signal: AbortSignal,
): Promise<ExecResult> {
  const attached = await runtime.exec(containerId, { command, stdin: false, tty: false, signal })
  const [output, exitCode] = await orAbort(Promise.all([collect(attached).catch(() => ''), attached.exit]), signal)
  return { exitCode, output }
}

export async function probeExec(
  runtime: Runtime,
  containerId: string,
  command: readonly string[],
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000)
  try {
    const { exitCode, output } = await execInContainer(runtime, containerId, command, AbortSignal.any([timeout, signal]))
    return exitCode === 0 ? success(output) : failure(output)
  } catch (error) {
    if (timeout.aborted && !signal.aborted)
      return failure(`command timed out: "${command.join(' ')}" timed out after ${goDuration(timeoutSeconds * 1000)}`)
    throw error
  }
}
