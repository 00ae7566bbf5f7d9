import assert from 'node:assert/strict'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTrackingTimeouts } from './trackingTimeouts.ts'

test('half-closed connections are remembered for an hour, open ones for a day', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tracking-'))
  const wanted = { close_wait: '3600', established: '86400' }
  const file = (state: string): string => join(directory, `nf_conntrack_tcp_timeout_${state}`)
  for (const state of Object.keys(wanted)) await writeFile(file(state), '')
  await setTrackingTimeouts(directory)
  for (const [state, seconds] of Object.entries(wanted)) assert.equal(await readFile(file(state), 'utf8'), seconds)
})

test('a kernel without such a setting says so', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tracking-'))
  await assert.rejects(setTrackingTimeouts(directory), { code: 'ENOENT' })
})
