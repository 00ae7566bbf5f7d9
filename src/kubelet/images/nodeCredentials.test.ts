import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../base/logger.ts'
import { nodeCredentials } from './nodeCredentials.ts'

test('the first of the files that can be read holds, as it is now', async (t) => {
  const homeDir = await mkdtemp(join(tmpdir(), 'node-'))
  t.after(() => rm(homeDir, { recursive: true }))
  const rootDir = join(homeDir, 'kubelet')
  await mkdir(join(homeDir, '.docker'))
  await mkdir(rootDir)
  const read = nodeCredentials({ rootDir, homeDir, log: silentLogger })
  const users = async () => Object.entries(await read()).map(([server, { username }]) => `${username} at ${server}`)
  const write = (path: string, content: string) => writeFile(join(homeDir, path), content)
  assert.deepEqual(await users(), [])
  await write('.dockercfg', '{"a.test":{"username":"old"}}')
  assert.deepEqual(await users(), ['old at a.test'])
  await write('.docker/config.json', '{"auths":{"b.test":{"username":"new"}}}')
  assert.deepEqual(await users(), ['new at b.test'])
  await write('kubelet/config.json', '{"auths":')
  assert.deepEqual(await users(), ['new at b.test'])
  await write('kubelet/config.json', '{"auths":{"c.test":{"username":"own"}}}')
  assert.deepEqual(await users(), ['own at c.test'])
})
