import { deleteAll, deleteCluster } from '../../cluster/deleteCluster.ts'
import type { CliContext } from '../context.ts'

export async function deleteCommand(options: { all?: boolean; keepImages?: boolean }, context: CliContext): Promise<void> {
  const { stderr, signal, env } = context
  const onNotice = (message: string): void => void stderr.write(`${message}\n`)
  if (options.all) {
    const names = await deleteAll({ keepImages: options.keepImages ?? false, onNotice, signal, env })
    onNotice(names.length > 0 ? `Deleted: ${names.join(', ')}.` : 'There was no cluster to delete.')
    return
  }
  const profile = await context.profile()
  const existed = await deleteCluster({ profile, onNotice, signal, env })
  onNotice(existed ? `The cluster "${profile}" is deleted.` : `There is no cluster "${profile}".`)
}
