/**
 * The audit log: one JSON event a line, in a file that only its owner reads. A file that is full is set aside under its time
 * (`audit-2026-01-02T03-04-05.678.log`), and those that are too many or too old are removed (upstream's lumberjack).
 */
import { mkdirSync, readdirSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { AuditSink } from './audit.ts'

export interface AuditLogOptions {
  /** `-` is standard output. */
  path: string
  maxSizeMegabytes?: number
  /** How many files are kept beside the current one; all where it is 0. */
  maxBackups?: number
  /** Files older than this are removed; none where it is 0. */
  maxAgeDays?: number
  log: Logger
  clock: Clock
}

/** lumberjack's. */
const DEFAULT_MAX_SIZE_MEGABYTES = 100
const MEGABYTE = 1024 * 1024
const DAY_MS = 86_400_000
/** Events that the disk has not taken yet; further ones are counted as lost. */
const MAX_PENDING_BYTES = 16 * MEGABYTE

interface Backup {
  name: string
  timeMs: number
}

/** Which backups are to go, of those that are there. Pure. */
export function outdated(backups: readonly Backup[], limits: { maxBackups: number; maxAgeDays: number; nowMs: number }): string[] {
  const { maxBackups, maxAgeDays, nowMs } = limits
  return backups
    .toSorted((a, b) => b.timeMs - a.timeMs)
    .filter(({ timeMs }, at) => (maxBackups > 0 && at >= maxBackups) || (maxAgeDays > 0 && nowMs - timeMs > maxAgeDays * DAY_MS))
    .map(({ name }) => name)
}

export class AuditLog implements AuditSink {
  readonly plugin = 'log'
  readonly #options: AuditLogOptions
  readonly #maxBytes: number
  #pending: Buffer[] = []
  #pendingBytes = 0
  #writing: Promise<void> | undefined
  #file: FileHandle | undefined
  #fileBytes = 0
  written = 0
  lost = 0

  constructor(options: AuditLogOptions) {
    this.#options = options
    this.#maxBytes = (options.maxSizeMegabytes || DEFAULT_MAX_SIZE_MEGABYTES) * MEGABYTE
    if (options.path !== '-') mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 })
  }

  write(json: string): void {
    const line = Buffer.from(`${json}\n`)
    if (this.#pendingBytes + line.length > MAX_PENDING_BYTES) {
      this.lost++
      return
    }
    this.#pending.push(line)
    this.#pendingBytes += line.length
    this.#writing ??= this.#drain()
  }

  /** Resolves when all is written. */
  async close(): Promise<void> {
    await this.#writing
    await this.#file?.close()
    this.#file = undefined
  }

  async #drain(): Promise<void> {
    // What comes within one turn goes out together.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#pending.length > 0) {
      const lines = this.#pending
      this.#pending = []
      this.#pendingBytes = 0
      try {
        await this.#append(lines)
        this.written += lines.length
      } catch (error) {
        this.lost += lines.length
        this.#options.log.error('the audit log cannot be written', error, { path: this.#options.path })
      }
    }
    this.#writing = undefined
  }

  async #append(lines: readonly Buffer[]): Promise<void> {
    if (this.#options.path === '-') {
      process.stdout.write(Buffer.concat(lines))
      return
    }
    let batch: Buffer[] = []
    let batchBytes = 0
    for (const line of lines) {
      const file = await this.#current()
      if (this.#fileBytes + batchBytes + line.length > this.#maxBytes && this.#fileBytes + batchBytes > 0) {
        await this.#put(file, batch, batchBytes)
        await this.#rotate()
        batch = []
        batchBytes = 0
      }
      batch.push(line)
      batchBytes += line.length
    }
    await this.#put(await this.#current(), batch, batchBytes)
  }

  async #put(file: FileHandle, batch: readonly Buffer[], sizeBytes: number): Promise<void> {
    if (sizeBytes === 0) return
    await file.writeFile(Buffer.concat(batch))
    this.#fileBytes += sizeBytes
  }

  async #current(): Promise<FileHandle> {
    if (!this.#file) {
      this.#file = await open(this.#options.path, 'a', 0o600)
      this.#fileBytes = statSync(this.#options.path).size
    }
    return this.#file
  }

  async #rotate(): Promise<void> {
    const { path, clock, maxBackups = 0, maxAgeDays = 0 } = this.#options
    await this.#file?.close()
    this.#file = undefined
    const extension = extname(path)
    const stem = basename(path, extension)
    const time = new Date(clock.now()).toISOString().replaceAll(':', '-').replace(/Z$/, '')
    renameSync(path, join(dirname(path), `${stem}-${time}${extension}`))
    const backups = readdirSync(dirname(path)).flatMap((name) => {
      const timeMs =
        name.startsWith(`${stem}-`) && name.endsWith(extension) ? timeOf(name.slice(stem.length + 1, -extension.length || undefined)) : NaN
      return Number.isNaN(timeMs) ? [] : [{ name, timeMs }]
    })
    for (const name of outdated(backups, { maxBackups, maxAgeDays, nowMs: clock.now() })) unlinkSync(join(dirname(path), name))
  }
}

/** `2026-01-02T03-04-05.678`. */
function timeOf(text: string): number {
  const match = /^(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)-(\d\d\.\d{3})$/.exec(text)
  return match ? Date.parse(`${match[1]}${match[2]}:${match[3]}:${match[4]}Z`) : NaN
}
