/**
 * Opens the database file, creating it if there is none. What is there already is looked at before anything is written:
 * a foreign, damaged or newer file, or one that another process has open, is refused and left as it is.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { StoreUnavailableError } from '../store.ts'
import { removeUnfinishedLog } from './keptLog.ts'

/** "mcub", in SQLite's header. */
const APPLICATION_ID = 0x6d637562
/** Format 1 had an index of `history` by key, which made each write half as dear again. */
const FORMAT_VERSION = 2
/** How long to wait for another process (one that is just ending) to let go of the file. */
const BUSY_TIMEOUT_MS = 1_000
/** Files up to this size are checked through and through when they are opened; that takes a few milliseconds. */
const FULL_CHECK_BYTES_MAX = 8 * 1024 * 1024
export const PAGE_SIZE_BYTES = 4096
const WAL_PAGES_BEFORE_CHECKPOINT = 1_000
const WAL_KEPT_BYTES_MAX = 8 * 1024 * 1024

/** Pages copied in one step of a backup, so that other work gets its turn. */
const BACKUP_PAGES_PER_STEP = 500
/** An object of 3 MiB, with its rows and their indices. */
const PAGES_OF_A_CHANGE_MAX = 1_000

const SQLITE_BUSY = 5
const SQLITE_FULL = 13

/**
 * `history` has one row for each change; `value` is NULL for a deletion, `previous` the revision that the key was at (NULL if it
 * did not exist). `current` points at the newest row of each key that exists.
 */
const SCHEMA = `
  CREATE TABLE history (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    previous INTEGER,
    value BLOB
  );
  CREATE TABLE current (key TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('compacted', 0);
`

export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_FULL
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
}

export function unavailable(what: string, cause: unknown): StoreUnavailableError {
  if (cause instanceof StoreUnavailableError) return cause
  return new StoreUnavailableError(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
}

export function openDatabase(path: string, maxSizeBytes: number): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    assertNotLost(path)
    removeUnfinishedLog(path)
    closeSync(openSync(path, 'a', 0o600))
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    // Exclusive: a second server on the same file would give the same revisions to other changes.
    database.exec('PRAGMA locking_mode = EXCLUSIVE')
    if (isBlank(database)) create(database)
    else if (check(database, path) < FORMAT_VERSION) upgrade(database)
    configure(database, maxSizeBytes)
    chmodSync(path, 0o600)
    return database
  } catch (error) {
    database?.close()
    const why = isBusy(error) ? 'is in use by another process' : 'cannot be opened'
    throw unavailable(`the database ${path} ${why}`, error)
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

/** A log is begun once its database is on the disk. SQLite would throw away one whose database has gone. */
function assertNotLost(path: string): void {
  if (sizeOf(path) === 0 && sizeOf(`${path}-wal`) > 0)
    throw new StoreUnavailableError(`the database ${path} is gone, but its log ${path}-wal is there: put both back, or remove both`)
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}

/** Also what a crash in the middle of `create` leaves. */
function isBlank(database: DatabaseSync): boolean {
  const tables = database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n']
  return tables === 0 && pragma(database, 'application_id') === 0 && pragma(database, 'user_version') === 0
}

function create(database: DatabaseSync): void {
  database.exec(`
    PRAGMA page_size = ${PAGE_SIZE_BYTES};
    PRAGMA auto_vacuum = INCREMENTAL;
    BEGIN IMMEDIATE;
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = ${FORMAT_VERSION};
    ${SCHEMA}
    COMMIT;
  `)
}

/** Answers the format of the file. */
function check(database: DatabaseSync, path: string): number {
  if (pragma(database, 'application_id') !== APPLICATION_ID) throw new StoreUnavailableError(`${path} is not a minicube database`)
  const version = pragma(database, 'user_version')
  if (version > FORMAT_VERSION) {
    throw new StoreUnavailableError(`the database ${path} has format ${version}, this version of minicube knows format ${FORMAT_VERSION}`)
  }
  if (sizeOf(path) > FULL_CHECK_BYTES_MAX) return version
  const verdict = Object.values(database.prepare('PRAGMA quick_check(1)').get() ?? {})[0]
  if (verdict !== 'ok') throw new StoreUnavailableError(`the database ${path} is damaged: ${String(verdict)}`)
  return version
}

function upgrade(database: DatabaseSync): void {
  database.exec(`BEGIN IMMEDIATE; DROP INDEX IF EXISTS history_by_key; PRAGMA user_version = ${FORMAT_VERSION}; COMMIT;`)
}

function configure(database: DatabaseSync, maxSizeBytes: number): void {
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = ${WAL_PAGES_BEFORE_CHECKPOINT};
    PRAGMA journal_size_limit = ${WAL_KEPT_BYTES_MAX};
    PRAGMA max_page_count = ${Math.max(1, Math.floor(maxSizeBytes / PAGE_SIZE_BYTES))};
  `)
}

/** SQLite has the same words for a full disk and for a database that has reached its own limit. */
export function describeFull(database: DatabaseSync, error: unknown): unknown {
  const limit = pageCountMax(database)
  // The last few pages are never reached: a change needs several at once.
  if (pageCount(database) < limit - PAGES_OF_A_CHANGE_MAX) return error
  const mebibytes = Math.round((limit * PAGE_SIZE_BYTES) / 1024 ** 2)
  return new Error(`database space exceeded: its limit is ${mebibytes} MiB; objects can be deleted, and space comes back`, { cause: error })
}

/** Under another name until it is whole and was found sound. */
export async function backupDatabase(database: DatabaseSync, path: string): Promise<void> {
  if (existsSync(path)) throw new StoreUnavailableError(`${path} exists already`)
  const partial = `${path}.partial`
  rmSync(partial, { force: true })
  try {
    closeSync(openSync(partial, 'wx', 0o600))
    await backup(database, partial, { rate: BACKUP_PAGES_PER_STEP })
    const copy = new DatabaseSync(partial)
    try {
      // A single file: without a log beside it.
      copy.exec('PRAGMA journal_mode = DELETE')
      check(copy, partial)
    } finally {
      copy.close()
    }
    renameSync(partial, path)
  } catch (error) {
    rmSync(partial, { force: true })
    throw unavailable(`the database was not copied to ${path}`, error)
  }
}

/** Pages inside the file that hold nothing. */
export function freePages(database: DatabaseSync): number {
  return pragma(database, 'freelist_count')
}

export function pageCount(database: DatabaseSync): number {
  return pragma(database, 'page_count')
}

/** The database's own limit. */
export function pageCountMax(database: DatabaseSync): number {
  return pragma(database, 'max_page_count')
}

export function limitPages(database: DatabaseSync, pages: number): void {
  database.exec(`PRAGMA max_page_count = ${pages}`)
}
