import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { UserError } from '../userError.ts'
import { engineConnection, pingEngine } from './address.ts'
import { describeTried, engineCandidates, findEngine } from './discovery.ts'

let home = ''
let engine: Server
const signal = AbortSignal.timeout(30_000)

async function writeContext(name: string, host: string, tls: Record<string, string> = {}): Promise<void> {
  const id = createHash('sha256').update(name).digest('hex')
  const meta = join(home, '.docker/contexts/meta', id)
  await mkdir(meta, { recursive: true })
  await writeFile(join(meta, 'meta.json'), JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }))
  const directory = join(home, '.docker/contexts/tls', id, 'docker')
  await mkdir(directory, { recursive: true })
  for (const [file, content] of Object.entries(tls)) await writeFile(join(directory, file), content)
}

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'engine-'))
  await writeContext('colima', 'unix:///colima.sock')
  await writeContext('far', 'tcp://far.example:2376', { 'ca.pem': 'CA', 'cert.pem': 'CERT', 'key.pem': 'KEY' })
  await writeFile(join(home, '.docker/config.json'), JSON.stringify({ currentContext: 'colima' }))
  engine = createServer((_request, response) => response.end('OK')).listen(join(home, 'engine.sock'))
  await once(engine, 'listening')
})
after(async () => {
  engine.close()
  await rm(home, { recursive: true })
})

test('DOCKER_HOST is the only candidate', async () => {
  const { addresses, exclusive } = await engineCandidates({ home, env: { DOCKER_HOST: 'tcp://1.2.3.4:2375' } })
  assert.deepEqual(addresses, [{ host: 'tcp://1.2.3.4:2375', source: 'DOCKER_HOST' }])
  assert.equal(exclusive, true)
})

test('the current context comes first, then the usual sockets', async () => {
  const { addresses, exclusive } = await engineCandidates({ home, env: { XDG_RUNTIME_DIR: '/run/user/1' } })
  assert.deepEqual(addresses[0], { host: 'unix:///colima.sock', source: 'docker context colima', chosen: true })
  assert.deepEqual(addresses[1]?.host, 'unix:///var/run/docker.sock')
  assert.ok(addresses.some((address) => address.host === `unix://${home}/.rd/docker.sock`))
  assert.ok(addresses.some((address) => address.host === 'unix:///run/user/1/podman/podman.sock'))
  assert.equal(exclusive, false)
})

test('DOCKER_CONTEXT is the only candidate, with its certificates', async () => {
  const { addresses, exclusive } = await engineCandidates({ home, env: { DOCKER_CONTEXT: 'far' } })
  assert.deepEqual(addresses, [
    { host: 'tcp://far.example:2376', source: 'docker context far', tls: { ca: 'CA', cert: 'CERT', key: 'KEY' } },
  ])
  assert.equal(exclusive, true)
})

test('a context that does not exist is said, not replaced', async () => {
  const { addresses, exclusive } = await engineCandidates({ home, env: { DOCKER_CONTEXT: 'gone' } })
  assert.deepEqual([addresses, exclusive], [[{ host: '', source: 'DOCKER_CONTEXT is "gone"' }], true])
})

test('the first candidate that answers is found, and the others are described', async () => {
  await writeFile(join(home, 'file'), '')
  const addresses = ['nothing.sock', 'file', 'engine.sock'].map((name) => ({ host: `unix://${join(home, name)}`, source: name }))
  const { found, tried } = await findEngine({ addresses, exclusive: false }, signal)
  assert.equal(found?.source, 'engine.sock')
  assert.deepEqual(
    tried.map((one) => one.problem),
    ['no such socket', 'nobody listens there'],
  )
  assert.equal(describeTried(tried), `file (unix://${home}/file): nobody listens there\nnot there: ${home}/nothing.sock`)
})

test('addresses for node:http and dockerode', () => {
  assert.deepEqual(engineConnection({ host: 'unix:///x.sock' }), { socketPath: '/x.sock' })
  assert.deepEqual(engineConnection({ host: 'tcp://h' }), { protocol: 'http', host: 'h', port: 2375 })
  assert.deepEqual(engineConnection({ host: 'tcp://h:1', tls: {} }), { protocol: 'https', host: 'h', port: 1 })
  assert.throws(() => engineConnection({ host: 'ssh://me@h' }), UserError)
})

test('a ping of an address of a wrong kind says so', async () => {
  assert.match((await pingEngine({ host: 'ssh://me@h', source: 'DOCKER_HOST' }, signal)) ?? '', /cannot use/)
})
