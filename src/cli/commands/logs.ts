import { formatLogLine, readLogs } from '../../cluster/logs.ts'
import type { CliContext } from '../context.ts'

export interface LogsOptions {
  follow?: boolean
  component?: string
  length?: number
  output: 'text' | 'json'
}

export async function logs({ follow, component, length, output }: LogsOptions, context: CliContext): Promise<void> {
  const { stdout, signal, env } = context
  const lines = readLogs({
    profile: await context.profile(),
    signal,
    env,
    ...(follow && { follow }),
    ...(component && { component }),
    ...(length && { tail: length }),
  })
  for await (const line of lines) stdout.write(`${output === 'json' ? line.text : formatLogLine(line)}\n`)
}
