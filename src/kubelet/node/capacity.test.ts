import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { capacityAmounts, parseCpuMax, readCapacity } from './capacity.ts'
import { prettyName } from './nodeInfo.ts'

const limits: [string, number | undefined][] = [
  ['max 100000', undefined],
  ['150000 100000', 1500],
  ['-1 100000', undefined],
  ['50000', 500],
]
for (const [text, want] of limits) test(`cpu.max "${text}" is ${want}`, () => assert.equal(parseCpuMax(text), want))

const layouts: [string, Record<string, string>][] = [
  ['cgroup v2', { 'cpu.max': '50000 100000\n', 'memory.max': '268435456\n' }],
  ['cgroup v1', { 'cpu/cpu.cfs_quota_us': '50000', 'cpu/cpu.cfs_period_us': '100000', 'memory/memory.limit_in_bytes': '268435456' }],
]
for (const [what, files] of layouts) {
  test(`the node's own limits are its capacity: ${what}`, async (t) => {
    const root = await mkdtemp(join(tmpdir(), 'cgroup-'))
    t.after(() => rm(root, { recursive: true, force: true }))
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), text)
    }
    const capacity = await readCapacity(root, root)
    assert.equal(capacity.cpuMilli, 500)
    assert.equal(capacity.memoryBytes, 268_435_456)
    assert.ok(capacity.ephemeralStorageBytes > 0)
  })
}

test('without limits the machine is the capacity', async () => {
  assert.equal((await readCapacity('/', '/nowhere')).cpuMilli, cpus().length * 1000)
})

test('amounts are written as kubelets write them', () => {
  const amounts = capacityAmounts({ cpuMilli: 1500, memoryBytes: 2 ** 31, ephemeralStorageBytes: 2 ** 30, pods: 110 })
  assert.deepEqual(amounts, {
    cpu: '1500m',
    memory: '2097152Ki',
    'ephemeral-storage': '1048576Ki',
    pods: '110',
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
  })
})

test('the system’s name', () =>
  assert.equal(prettyName('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'), 'Debian GNU/Linux 13 (trixie)'))
