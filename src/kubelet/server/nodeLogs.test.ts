import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HttpError } from './errors.ts'
import { serveNodeLogs } from './nodeLogs.ts'

test('files and lists of them, and nothing outside', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'node-logs-'))
  t.after(() => rm(root, { recursive: true }))
  const logs = join(root, 'log')
  await mkdir(join(logs, 'sub'), { recursive: true })
  await Promise.all([
    writeFile(join(root, 'secret'), 'no'),
    writeFile(join(logs, 'a.log'), 'one\ntwo\n'),
    writeFile(join(logs, 'empty'), ''),
    writeFile(join(logs, '<b>'), 'x'),
    symlink('../secret', join(logs, 'way-out')),
  ])
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/^\/logs\/?/, '')
    serveNodeLogs(logs, path, response, new AbortController().signal).catch((error: unknown) => {
      response.writeHead(error instanceof HttpError ? error.code : 500).end()
    })
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const get = async (path: string): Promise<[number, string]> => {
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/logs/${path}`, { redirect: 'manual' })
    return [answer.status, answer.status === 301 ? (answer.headers.get('location') ?? '') : await answer.text()]
  }
  const [status, page] = await get('')
  assert.equal(status, 200)
  assert.deepEqual(
    [...page.matchAll(/<a href="([^"]*)">([^<]*)<\/a>/g)].map(([, href, text]) => `${href} ${text}`),
    ['%3Cb%3E &#60;b&#62;', 'a.log a.log', 'empty empty', 'sub/ sub/', 'way-out way-out'],
  )
  assert.deepEqual(await get('a.log'), [200, 'one\ntwo\n'])
  assert.deepEqual(await get('empty'), [200, ''])
  assert.deepEqual(await get('sub'), [301, 'sub/'])
  for (const path of ['none', 'way-out', 'a.log/x', '%2e%2e%2fsecret', '%00', '%zz']) assert.equal((await get(path))[0], 404, path)
})
