import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../base/clock.ts'
import { openSqliteStore } from './sqliteStore.ts'

const KILLS = 100
const KILLS_WHILE_COMPACTING = 25
/** The writer is killed once it has acknowledged so many writes more, different each time. */
const acknowledgedBeforeKill = (round: number): number => 1 + ((round * 37) % 400)

const writer = fileURLToPath(new URL('crashWriter.ts', import.meta.url))
const fullDisk = fileURLToPath(new URL('fullDiskWriter.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sqlite-crash-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Acknowledged {
  key: string
  revision: number
  value: string
}

/** Everything that a writer printed before its death. */
async function writeUntilKilled(path: string, round: number, compacting = false): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [writer, path, String(round), compacting ? 'compacting' : ''], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
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

/** Answers the newest revision. */
async function killAndCheck(path: string, round: number, newestBefore: number, compacting: boolean): Promise<number> {
  const acknowledged = await writeUntilKilled(path, round, compacting)
  const newestAcknowledged = Math.max(...acknowledged.map(({ revision }) => revision))
  assert.ok(Math.min(...acknowledged.map(({ revision }) => revision)) > newestBefore, 'a revision was given twice')
  const store = openSqliteStore({ path, clock: systemClock })
  const newest = await store.revision()
  assert.ok(newest >= newestAcknowledged, `revision ${newest} is below ${newestAcknowledged}`)
  for (const { key, revision, value } of new Map(acknowledged.map((a) => [a.key, a])).values()) {
    const entry = await store.get(key)
    assert.ok(entry && entry.modRevision >= revision, `${key} fell behind revision ${revision}`)
    if (entry.modRevision === revision) assert.ok(new TextDecoder().decode(entry.value).startsWith(`${value}.`))
  }
  await store.close()
  return newest
}

it(`loses nothing acknowledged in ${KILLS} kills, and revisions never fall`, { timeout: 300_000 }, async () => {
  const path = join(folder, 'store.db')
  let newest = 0
  for (let round = 0; round < KILLS; round++) newest = await killAndCheck(path, round, newest, false)
})

it('nor when it is killed while it compacts', { timeout: 60_000 }, async () => {
  const path = join(folder, 'compacting.db')
  let newest = 0
  for (let round = 0; round < KILLS_WHILE_COMPACTING; round++) newest = await killAndCheck(path, round, newest, true)
})

const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0

it(
  'a full disk refuses writes, keeps what was acknowledged, and is recovered from',
  { skip: canMount ? false : 'only root may mount a small disk' },
  async () => {
    const disk = join(folder, 'disk')
    mkdirSync(disk)
    // In a mount namespace of its own: the disk is gone with the process.
    const script = `mount -t tmpfs -o size=48m tmpfs ${disk} && exec "$0" "$@"`
    const child = spawn('unshare', ['-m', 'sh', '-c', script, process.execPath, fullDisk, disk], { stdio: ['ignore', 'pipe', 'inherit'] })
    let printed = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (printed += chunk))
    assert.deepEqual(await once(child, 'close'), [0, null], printed)
    assert.match(printed, /^refused: .*full/m)
    assert.match(printed, /^recovered$/m)
  },
)
