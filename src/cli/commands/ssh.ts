import { execInNode } from '../../cluster/nodeExec.ts'
import type { CliContext } from '../context.ts'

export async function ssh(command: readonly string[], context: CliContext): Promise<void> {
  const { stdin, stdout, stderr, signal, env } = context
  const tty = command.length === 0 && stdin.isTTY && stdout.isTTY
  context.exitCode = await execInNode({
    profile: await context.profile(),
    ...(command.length > 0 && { command: [...command] }),
    tty,
    stdin,
    stdout,
    stderr,
    signal,
    env,
  })
}
