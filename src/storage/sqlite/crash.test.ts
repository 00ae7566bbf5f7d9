import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../base/clock.ts'
import { openSqliteStore } from './sqliteStore.ts'

const KILLS = 50
/** The writer is killed once it has acknowledged so many writes more, different each time. */
const acknowledgedBeforeKill = (round: number): number => 1 + ((round * 37) % 400)

const writer = fileURLToPath(new URL('crashWriter.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sqlite-crash-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Acknowledged {
  key: string
  revision: number
  value: string
}

/** Everything that a writer printed before its death. */
async function writeUntilKilled(path: string, round: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [writer, path, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    printed += chunk
    if (printed.split('\n').length > acknowledgedBeforeKill(round)) child.kill('SIGKILL')
  })
  const [, signal] = (await once(child, 'close')) as [number | null, string | null]
  assert.equal(signal, 'SIGKILL', 'the writer ended by itself')
  const lines = printed.slice(0, printed.lastIndexOf('\n')).split('\n')
  return lines.map((line) => {
    const [key = '', revision, value = ''] = line.split(' ')
    return { key, revision: Number(revision), value }
  })
}

it(`loses nothing acknowledged in ${KILLS} kills, and revisions never fall`, { timeout: 120_000 }, async () => {
  const path = join(folder, 'store.db')
  let newest = 0
  for (let round = 0; round < KILLS; round++) {
    const acknowledged = await writeUntilKilled(path, round)
    const newestAcknowledged = Math.max(...acknowledged.map(({ revision }) => revision))
    assert.ok(Math.min(...acknowledged.map(({ revision }) => revision)) > newest, 'a revision was given twice')
    const store = openSqliteStore({ path, clock: systemClock })
    newest = await store.revision()
    assert.ok(newest >= newestAcknowledged, `revision ${newest} is below ${newestAcknowledged}`)
    for (const { key, revision, value } of new Map(acknowledged.map((a) => [a.key, a])).values()) {
      const entry = await store.get(key)
      assert.ok(entry && entry.modRevision >= revision, `${key} fell behind revision ${revision}`)
      if (entry.modRevision === revision) assert.ok(new TextDecoder().decode(entry.value).startsWith(`${value}.`))
    }
    await store.close()
  }
})
