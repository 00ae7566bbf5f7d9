/** A configuration file that is read again while the server runs. Upstream looks once a minute, too. */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { serverIdentity } from '../apiserver/membership/identityLease.ts'
import { ReloadMetrics } from '../apiserver/metrics/reloadMetrics.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'

const INTERVAL_MS = 60_000

/** An option names a file, or is its contents: text of several lines. */
export const isContents = (option: string): boolean => option.includes('\n')

export interface FollowedFileOptions {
  option: string
  subject: 'encryption' | 'authentication' | 'authorization'
  log: Logger
  clock: Clock
}

export class FollowedFile {
  readonly #options: FollowedFileOptions
  readonly metrics: ReloadMetrics
  /** As it was last read, sound or not. */
  text: string

  constructor(options: FollowedFileOptions) {
    const { option, subject } = options
    this.#options = options
    this.metrics = new ReloadMetrics(subject, serverIdentity(hostname()))
    this.text = isContents(option) ? option : readFileSync(option, 'utf8')
  }

  /** Calls `take` with each other text until the signal aborts; what it throws is told and counted. */
  async follow(take: (text: string) => void | Promise<void>, signal: AbortSignal): Promise<void> {
    const { option, subject, log, clock } = this.#options
    if (isContents(option)) return
    while (!signal.aborted) {
      await clock.sleep(INTERVAL_MS, signal).catch(() => {})
      if (signal.aborted) return
      try {
        const text = await readFile(option, 'utf8')
        if (text === this.text) continue
        this.text = text
        await take(text)
        this.metrics.reloaded('success', clock.now())
        log.info(`reloaded ${subject} config`, { file: option })
      } catch (error) {
        this.metrics.reloaded('failure', clock.now())
        log.error(`error processing ${subject} config file ${option}`, error)
      }
    }
  }
}
