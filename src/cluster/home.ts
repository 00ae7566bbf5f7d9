/** Where minicube keeps its own files on the user's machine: $MINICUBE_HOME, otherwise ~/.minicube. */
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

export interface ProfilePaths {
  directory: string
  config: string
  events: string
  /** The admin's key pair and the cluster's CA: what `status` and friends call the API server with. */
  credentials: string
  lock: string
}

export function minicubeHome(env: NodeJS.ProcessEnv = process.env): string {
  return env.MINICUBE_HOME || join(homedir(), '.minicube')
}

export const profilesDirectory = (home: string): string => join(home, 'profiles')

export function profilePaths(home: string, profile: string): ProfilePaths {
  const directory = join(profilesDirectory(home), profile)
  return {
    directory,
    config: join(directory, 'config.json'),
    events: join(directory, 'events.json'),
    credentials: join(directory, 'credentials.json'),
    // Beside the folder rather than in it, so that deleting the profile does not delete the lock it is deleted under.
    lock: join(profilesDirectory(home), `.${profile}.lock`),
  }
}

export async function makePrivateDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
}

/** What root writes for somebody (`sudo minicube start` with that user's HOME) must stay theirs to read. */
async function keepOwner(path: string, replacement: FileHandle): Promise<void> {
  if (process.geteuid?.() !== 0) return
  const before = await stat(path).catch(() => undefined)
  if (before) await replacement.chown(before.uid, before.gid)
}

/** Readers see the old content or the new, never a part; mode 600 unless told otherwise. A file that is there keeps its owner. */
export async function writeFileAtomic(path: string, content: string, mode = 0o600): Promise<void> {
  const temporary = join(dirname(path), `.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`)
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.chmod(mode)
      await keepOwner(path, file)
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
