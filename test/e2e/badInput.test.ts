/** What goes wrong is said clearly, with what to do, and nothing is lost or left behind. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { leftovers } from './engine.ts'
import { ROOT, newCluster, run, type Cluster } from './minicube.ts'

let cluster: Cluster

beforeEach(async () => {
  cluster = await newCluster('e2e-bad')
})
afterEach(() => cluster.remove())

const failing = (args: readonly string[], env: NodeJS.ProcessEnv = {}): ReturnType<Cluster['minicube']> =>
  cluster.minicube(args, { mayFail: true, env, timeoutMs: 180_000 })

test('a wrong flag, command or value is named, with exit code 14', async () => {
  for (const args of [
    ['start', '--nope'],
    ['strat'],
    ['start', '--cpus', 'many'],
    ['start', '--profile', 'No Such Name'],
    ['status', '-o', 'xml'],
  ]) {
    const { code, stderr } = await failing(args)
    assert.equal(code, 14, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, /Exiting due to MK_USAGE: .+/)
  }
  assert.match((await failing(['strat'])).stderr, /start/)
})

test('no engine: what was tried, and what to do', async () => {
  const { code, stderr } = await failing(['start'], { DOCKER_HOST: 'unix:///nonexistent/docker.sock' })
  assert.ok(code >= 50 && code < 60, `${code}: ${stderr}`)
  assert.match(stderr, /DOCKER_HOST/)
})

test('commands on a cluster that is not there', async () => {
  for (const args of [['status'], ['stop'], ['logs'], ['ip'], ['ssh', '--', 'true'], ['kubectl', '--', 'get', 'pods']])
    assert.equal((await failing(args)).code, 85, args.join(' '))
})

test('a published port that is taken is refused before anything is made', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    const { code, stderr } = await failing(['start', '--publish', `127.0.0.1:${port}:30080`])
    assert.notEqual(code, 0)
    assert.match(stderr, new RegExp(String(port)))
    assert.deepEqual(await leftovers(cluster), [])
  } finally {
    server.close()
  }
})

test('a node image that is not there', async () => {
  const { code, stderr } = await failing(['start', '--image', 'minicube/no-such-image:1'])
  assert.notEqual(code, 0)
  assert.match(stderr, /no-such-image/)
  assert.deepEqual(await leftovers(cluster), [])
})

test('a broken kubeconfig is refused and stays as it is', async () => {
  await writeFile(cluster.kubeconfig, 'clusters: [{')
  const { code, stderr } = await failing(['start'])
  assert.notEqual(code, 0)
  assert.match(stderr, /kubeconfig/)
  assert.equal(await readFile(cluster.kubeconfig, 'utf8'), 'clusters: [{')
  assert.deepEqual(await leftovers(cluster), [])
})

test('a full disk', { skip: process.getuid?.() === 0 ? false : 'needs root to mount a small file system' }, async () => {
  const full = join(cluster.home, 'full')
  await mkdir(full)
  await run('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', full])
  try {
    await run('sh', ['-c', `dd if=/dev/zero of=${full}/filler bs=4k count=64 2>/dev/null; true`])
    const { code, stderr } = await failing(['start'], { MINICUBE_HOME: join(full, 'home') })
    assert.notEqual(code, 0)
    assert.match(stderr, /space|ENOSPC|full/i)
    assert.deepEqual(await leftovers(cluster), [])
  } finally {
    await run('umount', [full])
  }
})

test('two starts at once make one cluster', async () => {
  const [one, two] = await Promise.all([failing(['start']), failing(['start'])])
  assert.deepEqual([one.code, two.code], [0, 0], one.stderr + two.stderr)
  await cluster.kubectl(['get', 'nodes'])
})

test('Ctrl-C in the middle leaves nothing behind', async () => {
  const child = spawn(join(ROOT, 'bin/minicube'), ['start', '-o', 'json'], {
    env: { ...process.env, ...cluster.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let steps = 0
  child.stdout.on('data', (chunk: Buffer) => {
    steps += chunk.toString().split('"io.k8s.sigs.minikube.step"').length - 1
    // Once: the second one ends the program without any clearing up.
    if (steps >= 4 && !child.killed) child.kill('SIGINT')
  })
  const [code] = (await once(child, 'close')) as [number]
  assert.equal(code, 130)
  assert.ok(steps >= 4)
  assert.deepEqual(await leftovers(cluster), [])
})

test('JSON events: one object a line, steps rising, the end told', async () => {
  const { stdout } = await cluster.minicube(['start', '-o', 'json'], { timeoutMs: 300_000 })
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { specversion: string; type: string; data: Record<string, string> })
  const steps = events.filter((e) => e.type === 'io.k8s.sigs.minikube.step').map((e) => Number(e.data['currentstep']))
  assert.ok(steps.length >= 4)
  assert.deepEqual(
    steps,
    [...new Set(steps)].sort((a, b) => a - b),
  )
  assert.ok(events.every((e) => e.specversion === '1.0'))
})
