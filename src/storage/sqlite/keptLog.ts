/**
 * The log's room from one run to the next. SQLite removes its log as it closes a database, and without room for a new one a disk
 * that was filled meanwhile would refuse the next start. So the file stays, emptied by its header: nothing in it is ever read.
 */
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'

const HEADER_BYTES = 32

/** Under this name until it is empty, so that no old log is ever found beside a database that went on. */
const keptName = (path: string): string => `${path}-wal-kept`

/** Closes the database; its log keeps its length where the file system can link files. */
export function closeKeepingLog(database: DatabaseSync, path: string): void {
  const kept = keptName(path)
  const isLinked = link(`${path}-wal`, kept)
  database.close()
  if (!isLinked) return
  try {
    empty(kept)
    renameSync(kept, `${path}-wal`)
  } catch {
    rmSync(kept, { force: true })
  }
}

/** What a closing that was cut off has left. Before the database is opened. */
export function removeUnfinishedLog(path: string): void {
  rmSync(keptName(path), { force: true })
}

function link(path: string, name: string): boolean {
  try {
    linkSync(path, name)
    return true
  } catch {
    return false
  }
}

/** On the disk before the file gets its name. */
function empty(path: string): void {
  const file = openSync(path, 'r+')
  try {
    writeSync(file, Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
