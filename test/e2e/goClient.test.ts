/**
 * A program on client-go, the library of nearly every operator: built here from Debian's packages (Go and client-go), with
 * protobuf as its media type. What it does and checks stands in test/fixtures/goclient/main.go.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { SUITE, sourceLines } from '../../src/cluster/nodeImage/debianBase.ts'
import { ROOT, run, startedCluster, type Cluster } from './minicube.ts'

const SOURCE = join(ROOT, 'test/fixtures/goclient/main.go')
const PACKAGES = ['golang-go', 'golang-k8s-client-go-dev']
const GO = 'usr/lib/go-1.24'
/** Compiling client-go takes two minutes on two cores, and is done once for each version of the program. */
const BUILD_TIMEOUT_MS = 900_000
const RUN_TIMEOUT_MS = 300_000

let cluster: Cluster | undefined
after(() => cluster?.remove())

async function builtProgram(): Promise<string> {
  const version = createHash('sha256')
    .update(await readFile(SOURCE))
    .digest('hex')
    .slice(0, 12)
  const folder = join(tmpdir(), 'minicube-test-goclient')
  const program = join(folder, `goclient-${version}`)
  if (existsSync(program)) return program
  const root = join(folder, `root-${process.pid}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    const sources = await sourceLines(AbortSignal.timeout(BUILD_TIMEOUT_MS))
    await run('mmdebstrap', ['--variant=extract', `--include=${PACKAGES.join(',')}`, SUITE, root, ...sources], {
      timeoutMs: BUILD_TIMEOUT_MS,
    })
    const env = {
      GOROOT: join(root, GO),
      GOPATH: join(root, 'usr/share/gocode'),
      GOCACHE: join(folder, 'cache'),
      GO111MODULE: 'off',
      GOFLAGS: '',
      CGO_ENABLED: '0',
    }
    await run(join(root, GO, 'bin/go'), ['build', '-o', `${program}.new`, SOURCE], { env, timeoutMs: BUILD_TIMEOUT_MS })
    await rename(`${program}.new`, program)
    return program
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

test('a Go program on client-go: protobuf, informers, apply, eviction, leader election, custom resources', async (t) => {
  const mmdebstrap = await run('mmdebstrap', ['--version'], { mayFail: true }).catch(() => undefined)
  if (mmdebstrap?.code !== 0) return t.skip('Go and client-go come from Debian packages, and mmdebstrap is not here to unpack them')
  const program = await builtProgram()
  cluster = await startedCluster('e2e-go')
  const { stdout } = await run(program, ['minicube/busybox:1.37'], { env: cluster.env, timeoutMs: RUN_TIMEOUT_MS })
  const steps = (await readFile(SOURCE, 'utf8')).match(/^\t\t\{"[^"]+", p\.\w+\},$/gm) ?? []
  assert.ok(steps.length > 10)
  assert.equal(stdout.trim().split('\n').length, steps.length, stdout)
})
