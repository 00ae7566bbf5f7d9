/** What a container left to say when it ended: its termination message file, or the end of its log. */
import { open } from 'node:fs/promises'
import type { Container, Runtime } from '../runtime/runtime.ts'
import { annotation } from './annotations.ts'

const MAX_MESSAGE_BYTES = 4096
const MAX_LOG_BYTES = 2048
const MAX_LOG_LINES = 80
const LOG_TIMEOUT_MS = 2000

async function readHead(path: string, limitBytes: number): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return ''
  try {
    const buffer = Buffer.alloc(limitBytes)
    const { bytesRead } = await file.read(buffer, 0, limitBytes, 0)
    return buffer.subarray(0, bytesRead).toString()
  } finally {
    await file.close()
  }
}

async function readLogTail(runtime: Runtime, containerId: string): Promise<string> {
  let text = Buffer.alloc(0)
  try {
    for await (const line of runtime.logs(containerId, {
      follow: false,
      tail: MAX_LOG_LINES,
      signal: AbortSignal.timeout(LOG_TIMEOUT_MS),
    })) {
      text = Buffer.concat([text, line.data])
      if (text.length > MAX_LOG_BYTES) text = text.subarray(text.length - MAX_LOG_BYTES)
    }
  } catch {
    // A log that cannot be read is no message; the exit code still tells.
  }
  return text.toString()
}

export async function readTerminationMessage(runtime: Runtime, container: Container, hostPath: string): Promise<string> {
  const message = container.annotations[annotation.terminationMessagePath] ? await readHead(hostPath, MAX_MESSAGE_BYTES) : ''
  const wantsLog = container.annotations[annotation.terminationMessagePolicy] === 'FallbackToLogsOnError'
  if (message || !wantsLog || container.exitCode === 0) return message
  return readLogTail(runtime, container.id)
}
