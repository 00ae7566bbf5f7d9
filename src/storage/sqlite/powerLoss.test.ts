import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../base/clock.ts'
import { losePower, readTrace, TRACED } from './powerLoss.ts'
import { openSqliteStore } from './sqliteStore.ts'

const LOSSES = 30
/** Long enough for the log to be copied into the database several times. */
const ACKNOWLEDGED = 4_000
const SEED = 20_261_123

const writer = fileURLToPath(new URL('crashWriter.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sqlite-power-loss-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0

function randomFrom(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
}

/** The steps of a writer that is killed in the middle of its work. */
async function traceWriter(path: string, mode: string) {
  const [trace, printed] = [`${path}.trace`, `${path}.printed`]
  const files = [path, `${path}-wal`, `${path}-journal`, join(path, '..'), printed].flatMap((file) => ['-P', file])
  const options = ['-f', '-qq', '-xx', '-s', '1000000', '-e', `trace=${TRACED}`, '-e', 'signal=none', ...files, '-o', trace]
  const shell = ['-c', 'exec "$@" > "$0"', printed, process.execPath, writer, path, 'r', mode]
  const child = spawn('strace', [...options, 'sh', ...shell], { stdio: 'inherit', detached: true })
  const ended = once(child, 'exit')
  const timer = setInterval(() => {
    let lines = ''
    try {
      lines = readFileSync(printed, 'latin1')
    } catch {
      return
    }
    if (lines.split('\n').length > ACKNOWLEDGED) process.kill(-(child.pid as number), 'SIGKILL')
  }, 20)
  await ended
  clearInterval(timer)
  return readTrace(readFileSync(trace, 'latin1'))
}

function acknowledgedIn(printed: string): Map<string, { revision: number; value: string }> {
  const whole = printed.slice(0, printed.lastIndexOf('\n') + 1).split('\n')
  const rows = whole.filter(Boolean).map((line) => line.split(' ') as [string, string, string])
  return new Map(rows.map(([key, revision, value]) => [key, { revision: Number(revision), value }]))
}

describe('a power loss', { skip: canTrace ? false : 'strace is not installed' }, () => {
  for (const mode of ['writing', 'compacting'])
    it(`takes nothing that was acknowledged, while ${mode}`, { timeout: 120_000 }, async () => {
      const written = join(folder, mode)
      mkdirSync(written)
      const steps = await traceWriter(join(written, 'store.db'), mode)
      const syncs = steps.filter((step) => step.type === 'sync' && step.file === 'store.db').length
      assert.ok(syncs > 4, `the log was copied into the database ${syncs} times`)
      const random = randomFrom(SEED)
      for (let i = 0; i < LOSSES; i++) {
        // The beginning, where the file is made, is short.
        const count = Math.floor(random() * (i % 5 === 0 ? 120 : steps.length))
        const { files, printed } = losePower(steps, count, basename(written), random)
        const found = join(written, String(i))
        mkdirSync(found)
        for (const [name, content] of files) if (name.startsWith('store.db')) writeFileSync(join(found, name), content)
        await check(join(found, 'store.db'), acknowledgedIn(printed), `after ${count} of ${steps.length} steps`)
        rmSync(found, { recursive: true })
      }
    })

  async function check(path: string, acknowledged: ReturnType<typeof acknowledgedIn>, when: string): Promise<void> {
    const store = openSqliteStore({ path, clock: systemClock })
    const newest = await store.revision()
    for (const [key, { revision, value }] of acknowledged) {
      const entry = await store.get(key)
      assert.ok(entry && entry.modRevision >= revision && newest >= revision, `${key} fell behind revision ${revision} ${when}`)
      if (entry.modRevision === revision) assert.ok(new TextDecoder().decode(entry.value).startsWith(`${value}.`), when)
    }
    assert.equal((await store.create('/next', new Uint8Array(1))).modRevision, newest + 1)
    await store.close()
    const database = new DatabaseSync(path)
    assert.equal(database.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok', when)
    database.close()
  }
})
