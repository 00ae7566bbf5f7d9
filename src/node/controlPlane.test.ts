import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, mkdtempSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

const LIMIT_MS = 20_000

function startControlPlane(t: TestContext): { child: ChildProcess; data: string } {
  const data = mkdtempSync(join(tmpdir(), 'minicube-control-plane-test-'))
  const args = [join(import.meta.dirname, 'controlPlane.ts'), '--listen', '127.0.0.1:0', '--data', data]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => {
    child.kill('SIGKILL')
    rmSync(data, { recursive: true, force: true })
  })
  return { child, data }
}

const exitOf = async (child: ChildProcess, signal: AbortSignal): Promise<unknown[]> => once(child, 'exit', { signal })

test('a control plane that is ready ends in order on SIGTERM, and its store can be opened again', async (t) => {
  const signal = AbortSignal.any([t.signal, AbortSignal.timeout(LIMIT_MS)])
  const { child, data } = startControlPlane(t)
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data', { signal })) as [Buffer]
  assert.match(String(line), /^ready: https:\/\/127\.0\.0\.1:\d+ after \d+ ms\n$/)
  const exit = exitOf(child, signal)
  child.kill('SIGTERM')
  assert.deepEqual(await exit, [0, null])
  assert.deepEqual(readFileSync(join(data, 'state.db-wal')).subarray(0, 32), Buffer.alloc(32), 'the store was not closed')
})

test('SIGTERM amid the boot ends it', async (t) => {
  const signal = AbortSignal.any([t.signal, AbortSignal.timeout(LIMIT_MS)])
  const { child, data } = startControlPlane(t)
  const exit = exitOf(child, signal)
  // The keys are the first thing that it makes.
  await once(watch(data, { signal }), 'change', { signal })
  child.kill('SIGTERM')
  assert.deepEqual(await exit, [0, null])
})
