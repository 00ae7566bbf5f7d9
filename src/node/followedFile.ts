/** A configuration file that is read again while the server runs. Upstream looks once a minute, too. */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'

const INTERVAL_MS = 60_000

/** An option names a file, or is its contents: text of several lines. */
export const isContents = (option: string): boolean => option.includes('\n')

export function contentsOf(option: string): string {
  return isContents(option) ? option : readFileSync(option, 'utf8')
}

export interface Following {
  /** Takes the file as it is now, changed or not; what it throws is told by `failed`. */
  take(text: string): void | Promise<void>
  failed(error: unknown): void
  clock: Clock
  signal: AbortSignal
}

/** Until the signal aborts. Contents that were given cannot change. */
export async function followFile(option: string, { take, failed, clock, signal }: Following): Promise<void> {
  if (isContents(option)) return
  while (!signal.aborted) {
    await clock.sleep(INTERVAL_MS, signal).catch(() => {})
    if (signal.aborted) return
    try {
      await take(await readFile(option, 'utf8'))
    } catch (error) {
      failed(error)
    }
  }
}
