import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { bundleNode } from './bundle.ts'

const folder = await mkdtemp(join(tmpdir(), 'minicube-bundle-'))
after(() => rm(folder, { recursive: true }))

const SOURCE = 'export const micro = /^µ$/\nexport const text = `µs`\nexport const row = { µs: 1 }\n'

test('the bundle is ASCII and means the same', async () => {
  const entry = join(folder, 'entry.ts')
  await writeFile(entry, SOURCE)
  const bundle = await bundleNode(entry)
  assert.ok(bundle.every((byte) => byte < 0x80))
  await writeFile(join(folder, 'bundle.mjs'), bundle)
  const { micro, text, row } = await import(pathToFileURL(join(folder, 'bundle.mjs')).href)
  assert.ok(micro.test('µ'))
  assert.equal(text, 'µs')
  assert.deepEqual(row, { µs: 1 })
})

test("the node's bundle has none of what it never calls", async () => {
  const bundle = Buffer.from(await bundleNode()).toString('latin1')
  for (const absent of ['diffie-hellman-group14-sha256', 'grpc-node.max_session_memory']) assert.ok(!bundle.includes(absent), absent)
})
