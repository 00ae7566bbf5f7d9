import { getNodeAddresses } from '../../cluster/runningNode.ts'
import { UserError } from '../../cluster/userError.ts'
import type { CliContext } from '../context.ts'

export interface IpOptions {
  ipv6?: boolean
  output: 'text' | 'json'
}

export async function ip({ ipv6 = false, output }: IpOptions, context: CliContext): Promise<void> {
  const profile = await context.profile()
  const { IP, IPv6 } = await getNodeAddresses({ profile, signal: context.signal, env: context.env })
  if (ipv6 && !IPv6)
    throw new UserError({
      area: 'GUEST',
      sort: 'UNSUPPORTED',
      message: `the node of the cluster "${profile}" has no IPv6 address`,
      hint: 'A cluster has one when it is made with: minicube start --ip-family dual',
    })
  const shown = { Name: profile, IP, ...(IPv6 && { IPv6 }) }
  context.stdout.write(`${output === 'json' ? JSON.stringify(shown) : ipv6 ? IPv6 : IP}\n`)
}
