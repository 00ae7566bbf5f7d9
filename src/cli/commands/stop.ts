import { stopCluster } from '../../cluster/stopCluster.ts'
import type { CliContext } from '../context.ts'

export async function stop(context: CliContext): Promise<void> {
  const { stderr, signal, env } = context
  const profile = await context.profile()
  const wasRunning = await stopCluster({ profile, onNotice: (message) => void stderr.write(`${message}\n`), signal, env })
  stderr.write(
    wasRunning
      ? `The cluster "${profile}" is stopped. To start it again: minicube start --profile ${profile}\n`
      : `The cluster "${profile}" is not running.\n`,
  )
}
