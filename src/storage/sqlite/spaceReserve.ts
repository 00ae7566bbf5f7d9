/**
 * Room for the day when the disk is full: pages of the database file that hold nothing, and a log that has once been as long
 * as it gets. Unlike a file that is given up, they cannot be taken by whoever fills the disk. So the small changes that lead
 * out of it are still written: an eviction, a deletion, a status, a lease; large values are refused meanwhile.
 */
import { rmSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../store.ts'
import { describeFull, freePages, limitPages, pageCount, pageCountMax, PAGE_SIZE_BYTES } from './database.ts'

const RESERVE_BYTES = 4 * 1024 * 1024
/** More free pages than these go back to the file system. */
export const RESERVE_PAGES = RESERVE_BYTES / PAGE_SIZE_BYTES
/** What there is of it stays for small values; below half of that, for changes of what exists. */
const SMALL_VALUES_PAGES = RESERVE_PAGES / 2
const CHANGES_PAGES = RESERVE_PAGES / 4
const STEP_BYTES = 512 * 1024
/** Writing uses the free pages first: after so much they are to be looked after, but not all the time. */
const LOOK_AFTER_BYTES = RESERVE_BYTES / 4
const LOOK_AFTER_MS = 10_000
/** With less left on the disk than this nothing is taken from it, and large values are refused. */
const FULL_BELOW_BYTES = 2 * RESERVE_BYTES
/** What a status, an event or a lease needs, amply. */
const SMALL_VALUE_BYTES = 64 * 1024
/** A look at the disk costs as much as a fifth of a write, and nothing fills what is left above the limit in this time. */
const LEFT_KNOWN_MS = 10

export class SpaceReserve {
  readonly #database: DatabaseSync
  readonly #folder: string
  #keeping: Promise<void> | undefined
  readonly #clock: Clock
  #writtenBytes = 0
  #lookedAtMs = 0
  readonly #pagesMax: number
  #growthIsOff = false
  #left = { bytes: Infinity, untilMs: -Infinity }

  constructor(database: DatabaseSync, path: string, clock: Clock) {
    this.#database = database
    this.#pagesMax = pageCountMax(database)
    this.#clock = clock
    this.#folder = dirname(path)
    // What a taking that was cut off has left, and the reserve of former versions.
    database.exec('DROP TABLE IF EXISTS reserve')
    rmSync(`${path}-reserve`, { force: true })
  }

  /** Takes the room where there is plenty; next time where there is not. `may` says whether the database may be written to. */
  keep(may: () => boolean): Promise<void> {
    this.#keeping ??= this.#take(may)
      .catch(() => {})
      .finally(() => (this.#keeping = undefined))
    return this.#keeping
  }

  async settled(): Promise<void> {
    await this.#keeping
  }

  /** Throws where a value may not have any of the room that is left. */
  assertRoom(valueBytes: number, isNew: boolean): void {
    this.#writtenBytes += valueBytes
    const isSmall = valueBytes <= SMALL_VALUE_BYTES
    if ((isSmall && !isNew) || this.#leftBytes() >= FULL_BELOW_BYTES) return
    const kept = isSmall ? CHANGES_PAGES : SMALL_VALUES_PAGES
    if (freePages(this.#database) >= kept + valueBytes / PAGE_SIZE_BYTES) return
    throw new StoreUnavailableError('the disk is full, and the room kept for that is for small changes')
  }

  /**
   * Before each transaction: on a full disk the file must not grow, not even in the log, since a log that cannot be copied
   * into the file can never be begun anew. SQLite then refuses at once, and what history takes can be had.
   */
  limitGrowth(): void {
    const isFull = this.#leftBytes() < FULL_BELOW_BYTES
    if (isFull === this.#growthIsOff) return
    this.#growthIsOff = isFull
    limitPages(this.#database, isFull ? pageCount(this.#database) : this.#pagesMax)
  }

  /** Why a change did not fit, in better words than SQLite's where there are. */
  describeFull(error: unknown): unknown {
    return this.#growthIsOff ? error : describeFull(this.#database, error)
  }

  /** Whether so much was written since that there may be less of it. */
  get isToBeLookedAfter(): boolean {
    return this.#writtenBytes >= LOOK_AFTER_BYTES && this.#clock.now() - this.#lookedAtMs >= LOOK_AFTER_MS
  }

  async #take(may: () => boolean): Promise<void> {
    const database = this.#database
    const fits = pageCount(database) + 2 * RESERVE_PAGES < this.#pagesMax
    this.#writtenBytes = 0
    this.#lookedAtMs = this.#clock.now()
    if (!fits || freePages(database) >= SMALL_VALUES_PAGES) return
    try {
      this.limitGrowth()
      // All of it: what is free already is used before the file grows.
      for (let taken = 0; taken < RESERVE_BYTES; taken += STEP_BYTES) {
        if (!may() || this.#leftBytes() < FULL_BELOW_BYTES) return
        database.exec(`CREATE TABLE IF NOT EXISTS reserve (room BLOB); INSERT INTO reserve VALUES (zeroblob(${STEP_BYTES}))`)
        await new Promise((resolve) => setImmediate(resolve))
      }
    } finally {
      if (may()) database.exec('DROP TABLE IF EXISTS reserve; PRAGMA wal_checkpoint(PASSIVE)')
    }
  }

  #leftBytes(): number {
    const nowMs = this.#clock.now()
    if (nowMs >= this.#left.untilMs) this.#left = { bytes: leftBytes(this.#folder), untilMs: nowMs + LEFT_KNOWN_MS }
    return this.#left.bytes
  }
}

function leftBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return Infinity
  }
}
