/**
 * Room on the disk that is given up when the disk is full. SQLite needs some for whatever makes room: a deletion is a change
 * as well, and the log must be copied into the database before it can be cut.
 */
import { rmSync } from 'node:fs'
import { open, rm, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What the log may hold before it is copied, twice. */
const RESERVE_BYTES = 8 * 1024 * 1024
const STEP_BYTES = 1024 * 1024

export class SpaceReserve {
  readonly #path: string
  #keeping: Promise<void> | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** Takes the room where as much again is left for others; next time where there is not. */
  keep(): Promise<void> {
    this.#keeping ??= this.#fill().finally(() => (this.#keeping = undefined))
    return this.#keeping
  }

  async #fill(): Promise<void> {
    try {
      const file = await open(this.#path, 'a', 0o600)
      try {
        const step = Buffer.alloc(STEP_BYTES)
        const { bavail, bsize } = await statfs(dirname(this.#path))
        if (bavail * bsize < 2 * RESERVE_BYTES) return
        for (let { size } = await file.stat(); size < RESERVE_BYTES; size += STEP_BYTES) await file.write(step)
      } finally {
        await file.close()
      }
    } catch {
      await rm(this.#path, { force: true }).catch(() => {})
    }
  }

  release(): void {
    rmSync(this.#path, { force: true })
  }

  async settled(): Promise<void> {
    await this.#keeping
  }
}
