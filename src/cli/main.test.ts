import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

test('a reader of the progress that has gone away ends nothing', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), 'strat'], { stdio: ['ignore', 'ignore', 'pipe'] })
  child.stderr.destroy()
  assert.deepEqual(await once(child, 'close'), [14, null])
})

const MAIN = join(import.meta.dirname, 'main.ts')
const NO_ENGINE = { ...process.env, DOCKER_HOST: 'unix:///nowhere/docker.sock' }

test('a reader of the events that has gone away ends no start', async () => {
  const home = await mkdtemp(join(tmpdir(), 'minicube-main-'))
  const env = { ...NO_ENGINE, MINICUBE_HOME: home, KUBECONFIG: join(home, 'kubeconfig') }
  const child = spawn(process.execPath, [MAIN, 'start', '-o', 'json'], { stdio: ['ignore', 'pipe', 'ignore'], env })
  child.stdout.destroy()
  assert.deepEqual(await once(child, 'close'), [59, null])
  await rm(home, { recursive: true })
})

test('a failure is one event', async () => {
  const home = await mkdtemp(join(tmpdir(), 'minicube-main-'))
  const env = { ...NO_ENGINE, MINICUBE_HOME: home, KUBECONFIG: join(home, 'kubeconfig') }
  const { stdout } = spawnSync(process.execPath, [MAIN, 'start', '-o', 'json'], { encoding: 'utf8', env })
  const types = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { type: string }).type.split('.').at(-1))
  assert.deepEqual(types, ['step', 'error'])
  await rm(home, { recursive: true })
})
