/**
 * The user's kubeconfig file: found as kubectl finds it, changed under kubectl's own lock (`<file>.lock`, made exclusively),
 * written as a whole or not at all, with mode 600.
 */
import { access, constants, readFile, realpath, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import lockfile from 'proper-lockfile'
import { makePrivateDirectory, writeFileAtomic } from '../home.ts'
import { isErrorCode, UserError } from '../userError.ts'
import { type ClusterEntry, findCluster, type FoundCluster, KubeconfigSyntaxError, putCluster, removeCluster } from './document.ts'

const LOCK_TIMEOUT_MS = 10_000
const LOCK_FIRST_WAIT_MS = 10
const LOCK_LONGEST_WAIT_MS = 250
/** A holder that minicube is refreshes its lock's time; one older was left by a crash. */
const STALE_MS = 10_000

export interface KubeconfigOptions {
  env?: NodeJS.ProcessEnv
  home?: string
  signal: AbortSignal
}

/** The files of $KUBECONFIG, or ~/.kube/config. */
function kubeconfigPaths({ env = process.env, home = homedir() }: Omit<KubeconfigOptions, 'signal'>): string[] {
  const listed = (env.KUBECONFIG ?? '').split(delimiter).filter((path) => path !== '')
  return listed.length > 0 ? listed : [join(home, '.kube', 'config')]
}

/** Where new entries go: the first file of the list that exists, otherwise the last, as with kubectl. */
export async function kubeconfigPath(options: Omit<KubeconfigOptions, 'signal'>): Promise<string> {
  const paths = kubeconfigPaths(options)
  for (const path of paths) {
    if (
      await stat(path).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  return paths.at(-1) as string
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return ''
    throw explain(error, path)
  }
}

function explain(error: unknown, path: string): unknown {
  if (error instanceof KubeconfigSyntaxError) {
    return new UserError({
      area: 'HOST',
      sort: 'CONFIG',
      message: `the kubeconfig ${path} is not valid, so it was left as it is: ${error.message}`,
      hint: `Repair it (kubectl config view shows the same error), or use another: KUBECONFIG=FILE minicube …`,
      cause: error,
    })
  }
  if (isErrorCode(error, 'EISDIR')) {
    return new UserError({
      area: 'HOST',
      sort: 'CONFIG',
      message: `the kubeconfig ${path} is a folder`,
      hint: `Name a file: KUBECONFIG=FILE minicube …`,
      cause: error,
    })
  }
  if (isErrorCode(error, 'EACCES', 'EPERM', 'EROFS')) {
    return new UserError({
      area: 'HOST',
      sort: 'PERMISSION',
      message: `the kubeconfig ${path} cannot be used: ${(error as Error).message}`,
      hint: `Make it yours (ls -l ${path}), or use another: KUBECONFIG=FILE minicube …`,
      cause: error,
    })
  }
  return error
}

/** Holds `<path>.lock` while `work` runs. kubectl makes a file of that name, proper-lockfile a folder: each respects the other's. */
async function withLock<T>(path: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`
  const deadlineMs = Date.now() + LOCK_TIMEOUT_MS
  for (let waitMs = LOCK_FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LOCK_LONGEST_WAIT_MS)) {
    signal.throwIfAborted()
    let release: () => Promise<void>
    try {
      release = await lockfile.lock(path, { lockfilePath: lock, realpath: false, stale: STALE_MS, onCompromised: () => {} })
    } catch (error) {
      // ENOTDIR: a stale lock file of kubectl's, which cannot be removed as a folder.
      if (!isErrorCode(error, 'ELOCKED', 'ENOTDIR')) throw explain(error, path)
      if (Date.now() > deadlineMs) throw await lockedError(path, lock, error)
      await setTimeout(waitMs, undefined, { signal })
      continue
    }
    try {
      return await work()
    } finally {
      await release().catch(() => {})
    }
  }
}

async function lockedError(path: string, lock: string, cause: unknown): Promise<UserError> {
  const since = await stat(lock).then(
    (found) => Math.round((Date.now() - found.mtimeMs) / 1000),
    () => 0,
  )
  return new UserError({
    area: 'HOST',
    sort: 'CONFLICT',
    message: `the kubeconfig ${path} has been locked for ${since} s by another program (${lock})`,
    hint: `If no kubectl or other tool is running, the lock was left behind by a crash; remove it: rm -r ${lock}`,
    cause,
  })
}

async function change(path: string, signal: AbortSignal, edit: (text: string) => string): Promise<void> {
  await makePrivateDirectory(dirname(path))
  // A symbolic link (dotfile managers) is written through, not replaced.
  const target = await realpath(path).catch(() => path)
  await withLock(target, signal, async () => {
    const before = await read(target)
    try {
      const after = edit(before)
      if (after === before) return
      await checkWritable(target)
      await writeFileAtomic(target, after)
    } catch (error) {
      throw explain(error, path)
    }
  })
}

/** A file that is there is exchanged, which its folder decides; one that its owner made read-only is to stay as it is all the same. */
async function checkWritable(path: string): Promise<void> {
  try {
    await access(path, constants.W_OK)
  } catch (error) {
    if (!isErrorCode(error, 'ENOENT')) throw error
  }
}

/** Refuses a kubeconfig that could not be written to in the end. */
export async function checkKubeconfig(options: Omit<KubeconfigOptions, 'signal'>): Promise<void> {
  const path = await kubeconfigPath(options)
  try {
    findCluster(await read(path), '')
    await makePrivateDirectory(dirname(path))
    const target = await realpath(path).catch(() => path)
    await checkWritable(target)
    await access(dirname(target), constants.W_OK)
  } catch (error) {
    throw explain(error, path)
  }
}

export interface MergeOptions extends KubeconfigOptions {
  /** Do not make it the current context (--keep-context). */
  keepContext?: boolean
}

/** Adds or updates the cluster's entries; answers the file. */
export async function mergeKubeconfig(entry: ClusterEntry, options: MergeOptions): Promise<string> {
  const path = await kubeconfigPath(options)
  await change(path, options.signal, (text) => putCluster(text, entry, { setCurrent: !options.keepContext }))
  return path
}

/** Takes the cluster's entries out of every file of $KUBECONFIG. */
export async function removeFromKubeconfig(name: string, options: KubeconfigOptions): Promise<void> {
  for (const path of kubeconfigPaths(options)) {
    const text = await read(path)
    // Not ours to make, lock or complain about when nothing of ours is in it.
    if (text.includes(name)) await change(path, options.signal, (current) => removeCluster(current, name))
  }
}

/** The cluster's entry in the first file that has one. A broken file has none. */
export async function lookUpKubeconfig(name: string, options: Omit<KubeconfigOptions, 'signal'>): Promise<FoundCluster | undefined> {
  for (const path of kubeconfigPaths(options)) {
    try {
      const text = await read(path)
      const found = text.includes(name) ? findCluster(text, name) : undefined
      if (found) return found
    } catch {
      continue
    }
  }
  return undefined
}
