import { projectVersion } from '../../cluster/nodeImage/sources.ts'
import type { CliContext } from '../context.ts'

export async function version(options: { short?: boolean; output?: 'json' | 'yaml' }, { stdout }: CliContext): Promise<void> {
  const number = `v${await projectVersion()}`
  if (options.output === 'json') stdout.write(`${JSON.stringify({ minicubeVersion: number, kubernetesVersion: 'v1.36' })}\n`)
  else if (options.output === 'yaml') stdout.write(`minicubeVersion: ${number}\nkubernetesVersion: v1.36\n`)
  else stdout.write(options.short ? `${number}\n` : `minicube version: ${number}\nKubernetes version: v1.36\n`)
}
