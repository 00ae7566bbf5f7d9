import { getNodeIP } from '../../cluster/runningNode.ts'
import type { CliContext } from '../context.ts'

export async function ip(context: CliContext): Promise<void> {
  context.stdout.write(`${await getNodeIP({ profile: await context.profile(), signal: context.signal, env: context.env })}\n`)
}
