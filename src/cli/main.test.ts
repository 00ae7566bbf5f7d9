import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'

test('a reader of the progress that has gone away ends nothing', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), 'strat'], { stdio: ['ignore', 'ignore', 'pipe'] })
  child.stderr.destroy()
  assert.deepEqual(await once(child, 'close'), [14, null])
})
