import { formatLogLine, readLogs } from '../../cluster/logs.ts'
import type { CliContext } from '../context.ts'

export interface LogsOptions {
  follow?: boolean
  component?: string
  length?: number
  output: 'text' | 'json'
}

export async function logs({ follow, component, length, output }: LogsOptions, context: CliContext): Promise<void> {
  const { stdout, stderr, signal, env } = context
  const components = new Set<string>()
  const lines = readLogs({
    profile: await context.profile(),
    signal,
    env,
    ...(follow && { follow }),
    ...(length && { tail: length }),
  })
  for await (const line of lines) {
    if (line.entry?.component) components.add(line.entry.component)
    if (component && line.entry?.component !== component) continue
    stdout.write(`${output === 'json' ? line.text : formatLogLine(line)}\n`)
  }
  if (component && !components.has(component))
    stderr.write(`No line is of "${component}". There are lines of: ${[...components].sort().join(', ')}\n`)
}
