/** What this minicube is. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KUBERNETES_VERSION } from '../api/kubernetesVersion.ts'
import { PROJECT_ROOT, projectVersion } from './nodeImage/sources.ts'

export interface VersionInfo {
  /** `v0.1.0`. */
  minicubeVersion: string
  /** Of a checkout; empty in an installed package. */
  commit: string
  /** The release of the clusters that it makes. */
  kubernetesVersion: string
}

export async function versionInfo(root = PROJECT_ROOT): Promise<VersionInfo> {
  const [version, commit] = await Promise.all([projectVersion(), checkedOutCommit(join(root, '.git'))])
  return { minicubeVersion: `v${version}`, commit, kubernetesVersion: KUBERNETES_VERSION }
}

/** Read from git's files: git itself need not be there. */
export async function checkedOutCommit(gitDirectory: string): Promise<string> {
  const read = (path: string): Promise<string> => readFile(join(gitDirectory, path), 'utf8').catch(() => '')
  const head = (await read('HEAD')).trim()
  const ref = /^ref: (.+)$/.exec(head)?.[1]
  if (!ref) return head
  const loose = (await read(ref)).trim()
  if (loose) return loose
  const packed = (await read('packed-refs')).split('\n').find((line) => line.endsWith(` ${ref}`))
  return packed?.split(' ')[0] ?? ''
}
