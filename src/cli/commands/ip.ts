import { getNodeIP } from '../../cluster/runningNode.ts'
import type { CliContext } from '../context.ts'

export async function ip({ ipv6 = false }: { ipv6?: boolean }, context: CliContext): Promise<void> {
  const profile = await context.profile()
  context.stdout.write(`${await getNodeIP({ profile, ipv6, signal: context.signal, env: context.env })}\n`)
}
