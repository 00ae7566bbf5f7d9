/** Registry credentials of the node itself, for all of its pods: where upstream's kubelet looks for docker's files. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from '../../base/logger.ts'
import { parseEntries, type AuthEntries } from './credentials.ts'

interface NodeCredentialsOptions {
  rootDir: string
  log: Logger
  homeDir?: string
}

/** The first file that is there and can be read holds. Read anew for each pull: credentials that change hold at once. */
export function nodeCredentials({ rootDir, log, homeDir = homedir() }: NodeCredentialsOptions): () => Promise<AuthEntries> {
  const files = [
    ...[rootDir, join(homeDir, '.docker'), '/.docker'].map((directory) => ({ path: join(directory, 'config.json'), legacy: false })),
    ...[rootDir, homeDir, '/'].map((directory) => ({ path: join(directory, '.dockercfg'), legacy: true })),
  ]
  return async () => {
    for (const { path, legacy } of files) {
      try {
        return parseEntries(await readFile(path, 'utf8'), legacy)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
          log.warn('the registry credentials of the node cannot be read', { path, error: String(error) })
      }
    }
    return {}
  }
}
