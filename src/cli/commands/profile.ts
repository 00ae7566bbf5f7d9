import { minicubeHome } from '../../cluster/home.ts'
import { lookUpKubeconfig } from '../../cluster/kubeconfig/file.ts'
import { activeProfile, listProfiles } from '../../cluster/profile.ts'
import { UserError } from '../../cluster/userError.ts'
import { getStatus } from '../../cluster/status.ts'
import type { CliContext } from '../context.ts'
import { fitting, formatTable } from '../table.ts'

const HEADER = ['PROFILE', 'DRIVER', 'RUNTIME', 'IP', 'VERSION', 'STATUS', 'NODES', 'ACTIVE PROFILE', 'ACTIVE KUBECONTEXT']

/** On a narrow terminal; what every cluster has alike goes first. */
const DISPENSABLE = ['DRIVER', 'RUNTIME', 'VERSION', 'NODES', 'IP']

export async function profileList(options: { output: 'table' | 'json' }, { env, stdout, signal }: CliContext): Promise<void> {
  const home = minicubeHome(env)
  const { valid, invalid } = await listProfiles(home)
  const active = await activeProfile(home, env)
  const rows = await Promise.all(
    valid.map(async (profile) => {
      const [[status], entry] = await Promise.all([
        getStatus({ profile: profile.name, env, signal }),
        lookUpKubeconfig(profile.name, { env }),
      ])
      return { profile, status, isContext: entry?.isCurrent ?? false }
    }),
  )
  if (options.output === 'json') {
    const shown = rows.map(({ profile, status, isContext }) => ({
      Name: profile.name,
      Status: status.Host,
      Config: profile,
      Active: profile.name === active,
      ActiveKubeContext: isContext,
    }))
    stdout.write(`${JSON.stringify({ valid: shown, invalid: invalid.map((Name) => ({ Name })) })}\n`)
    return
  }
  if (rows.length === 0)
    throw new UserError({ area: 'PROGRAM', sort: 'USAGE', message: 'there is no profile', hint: 'To start a cluster: minicube start' })
  const cells = rows.map(({ profile, status, isContext }) => [
    profile.name,
    'docker',
    'docker',
    profile.network.nodeIP,
    profile.kubernetesVersion,
    status.Host,
    String(profile.nodes ?? 1),
    profile.name === active ? '*' : '',
    isContext ? '*' : '',
  ])
  const table = fitting(HEADER, cells, { columns: stdout.columns, dispensable: DISPENSABLE })
  stdout.write(formatTable(table.header, table.rows))
}
