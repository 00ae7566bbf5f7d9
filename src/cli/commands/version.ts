import { versionInfo } from '../../cluster/version.ts'
import type { CliContext } from '../context.ts'

export async function version(options: { short?: boolean; output?: 'json' | 'yaml' }, { stdout }: CliContext): Promise<void> {
  const info = await versionInfo()
  if (options.short) stdout.write(`${info.minicubeVersion}\n`)
  else if (options.output === 'json') stdout.write(`${JSON.stringify(info)}\n`)
  else if (options.output === 'yaml') stdout.write((await import('yaml')).stringify(info))
  else {
    const commit = info.commit ? `commit: ${info.commit}\n` : ''
    stdout.write(`minicube version: ${info.minicubeVersion}\n${commit}Kubernetes version: ${info.kubernetesVersion}\n`)
  }
}
