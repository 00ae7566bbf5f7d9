/** The store's SQL. Every statement is prepared once. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { prefixEnd } from '../keyOrder.ts'
import type { Entry, StoreEvent } from '../store.ts'

interface EntryRow {
  key: string
  value: Uint8Array
  createRevision: number
  modRevision: number
}

interface EventRow extends Omit<EntryRow, 'value'> {
  value: Uint8Array | null
  previousRevision: number | null
  previousCreateRevision: number | null
  previousValue: Uint8Array | null
}

const ENTRY = 'h.key, h.value, h.create_revision AS createRevision, h.revision AS modRevision'
/** Parameters 1 and 2: the first key, and the end (exclusive) or NULL. */
const IN_RANGE = '.key >= ?1 AND (?2 IS NULL OR %.key < ?2)'
const inRange = (table: string): string => `${table}${IN_RANGE.replace('%', table)}`
/**
 * The keys in the range that existed at revision ?3, and the row of each at that time: what has not changed since, and what the
 * first change since then replaced.
 */
const AT_REVISION = `
  SELECT c.key AS key, c.revision AS revision FROM current c WHERE ${inRange('c')} AND c.revision <= ?3
  UNION ALL
  SELECT x.key, x.previous FROM history x WHERE ${inRange('x')} AND x.revision > ?3 AND x.previous <= ?3`

/** What is under a prefix, after a key. */
export interface Range {
  prefix: string
  after?: string | undefined
}

function bounds({ prefix, after }: Range): [string, string | null] {
  // The smallest key after another is that key with a NUL behind it.
  const first = after === undefined || after < prefix ? prefix : `${after}\0`
  return [first, prefixEnd(prefix) ?? null]
}

/** node:sqlite's rows have no prototype, which surprises comparisons. */
function toEntry(row: unknown): Entry {
  const { key, value, createRevision, modRevision } = row as EntryRow
  return { key, value, createRevision, modRevision }
}

function toEvent(row: EventRow): StoreEvent {
  const { key, value, createRevision, modRevision } = row
  const previous: Entry | undefined =
    row.previousRevision === null || row.previousValue === null
      ? undefined
      : { key, value: row.previousValue, createRevision: row.previousCreateRevision ?? 0, modRevision: row.previousRevision }
  if (value) return { type: 'put', entry: { key, value, createRevision, modRevision }, previous }
  if (!previous) throw new Error(`the deletion at revision ${modRevision} has no predecessor`)
  return { type: 'delete', key, revision: modRevision, previous }
}

export class Statements {
  readonly #get: StatementSync
  readonly #list: StatementSync
  readonly #count: StatementSync
  readonly #listAt: StatementSync
  readonly #countAt: StatementSync
  readonly #events: StatementSync
  readonly #insert: StatementSync
  readonly #point: StatementSync
  readonly #unpoint: StatementSync
  readonly #forgetSuperseded: StatementSync
  readonly #forgetDeletions: StatementSync
  readonly #setCompacted: StatementSync
  readonly #compacted: StatementSync
  readonly #newest: StatementSync

  constructor(database: DatabaseSync) {
    const prepare = (sql: string): StatementSync => database.prepare(sql)
    this.#get = prepare(`SELECT ${ENTRY} FROM current c JOIN history h ON h.revision = c.revision WHERE c.key = ?`)
    this.#list = prepare(
      `SELECT ${ENTRY} FROM current c CROSS JOIN history h ON h.revision = c.revision WHERE ${inRange('c')} ORDER BY c.key LIMIT ?3`,
    )
    this.#count = prepare(`SELECT count(*) AS n FROM current c WHERE ${inRange('c')}`)
    this.#listAt = prepare(
      `SELECT ${ENTRY} FROM (${AT_REVISION} ORDER BY key LIMIT ?4) c CROSS JOIN history h ON h.revision = c.revision ORDER BY c.key`,
    )
    this.#countAt = prepare(`SELECT count(*) AS n FROM (${AT_REVISION})`)
    this.#events = prepare(
      `SELECT ${ENTRY}, p.revision AS previousRevision, p.create_revision AS previousCreateRevision, p.value AS previousValue
       FROM history h NOT INDEXED LEFT JOIN history p ON p.revision = h.previous
       WHERE ${inRange('h')} AND h.revision > ?3 ORDER BY h.revision LIMIT ?4`,
    )
    this.#insert = prepare('INSERT INTO history (revision, key, create_revision, previous, value) VALUES (?, ?, ?, ?, ?)')
    this.#point = prepare('INSERT INTO current (key, revision) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET revision = ?2')
    this.#unpoint = prepare('DELETE FROM current WHERE key = ?')
    this.#forgetSuperseded = prepare(
      `DELETE FROM history WHERE revision IN
         (SELECT previous FROM history WHERE revision > ?1 AND revision <= ?2 AND previous IS NOT NULL)`,
    )
    this.#forgetDeletions = prepare('DELETE FROM history WHERE revision > ?1 AND revision <= ?2 AND value IS NULL')
    this.#setCompacted = prepare("UPDATE meta SET value = ? WHERE name = 'compacted'")
    this.#compacted = prepare("SELECT value FROM meta WHERE name = 'compacted'")
    this.#newest = prepare('SELECT max(revision) AS revision FROM history')
  }

  get(key: string): Entry | undefined {
    const row = this.#get.get(key)
    return row && toEntry(row)
  }

  list(range: Range, limit: number | undefined): Entry[] {
    return this.#list.all(...bounds(range), limit ?? -1).map(toEntry)
  }

  count(range: Range): number {
    return Number(this.#count.get(...bounds(range))?.['n'])
  }

  listAt(revision: number, range: Range, limit: number | undefined): Entry[] {
    return this.#listAt.all(...bounds(range), revision, limit ?? -1).map(toEntry)
  }

  countAt(revision: number, range: Range): number {
    return Number(this.#countAt.get(...bounds(range), revision)?.['n'])
  }

  events(prefix: string, afterRevision: number, limit: number): StoreEvent[] {
    const rows = this.#events.all(...bounds({ prefix }), afterRevision, limit)
    return (rows as unknown as EventRow[]).map(toEvent)
  }

  put(entry: Entry, previous: Entry | undefined): void {
    this.#insert.run(entry.modRevision, entry.key, entry.createRevision, previous?.modRevision ?? null, entry.value)
    this.#point.run(entry.key, entry.modRevision)
  }

  delete(revision: number, previous: Entry): void {
    this.#insert.run(revision, previous.key, previous.createRevision, previous.modRevision, null)
    this.#unpoint.run(previous.key)
  }

  /** Drops what only reads at revisions below `to` would show; `from` is where the last call ended. */
  forget(from: number, to: number): void {
    this.#forgetSuperseded.run(from, to)
    this.#forgetDeletions.run(from, to)
    this.#setCompacted.run(to)
  }

  compacted(): number {
    return Number(this.#compacted.get()?.['value'])
  }

  /** 0 if history is empty. */
  newestInHistory(): number {
    return Number(this.#newest.get()?.['revision'] ?? 0)
  }
}
