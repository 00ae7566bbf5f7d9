/**
 * One process at a time, by a lock that other processes see (proper-lockfile: a folder `<path>` whose time its holder keeps
 * fresh; one left behind by a crash is taken over once it is stale).
 */
import { setTimeout } from 'node:timers/promises'
import lockfile from 'proper-lockfile'
import { isErrorCode } from './userError.ts'

export interface FileLockOptions {
  path: string
  signal: AbortSignal
  /** Called once when somebody else holds it. */
  onWait?(): void
}

/** Longer than any pause of the event loop that a holder is known to make. */
const STALE_MS = 15_000
const RETRY_EVERY_MS = 100

export async function withFileLock<T>(options: FileLockOptions, work: () => Promise<T>): Promise<T> {
  const { path, signal, onWait } = options
  let release: (() => Promise<void>) | undefined
  for (let tries = 0; !release; tries++) {
    signal.throwIfAborted()
    try {
      // A lost lock (the machine slept) must not crash the process from a timer, which is proper-lockfile's default.
      release = await lockfile.lock(path, {
        lockfilePath: path,
        realpath: false,
        stale: STALE_MS,
        update: STALE_MS / 3,
        onCompromised: () => {},
      })
    } catch (error) {
      if (!isErrorCode(error, 'ELOCKED')) throw error
      if (tries === 0) onWait?.()
      await setTimeout(RETRY_EVERY_MS, undefined, { signal })
    }
  }
  try {
    return await work()
  } finally {
    await release().catch(() => {})
  }
}
