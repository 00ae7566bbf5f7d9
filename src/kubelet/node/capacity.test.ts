import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { KUBELET_DEFAULTS, type KubeletConfiguration } from '../configuration.ts'
import { allocatableAmounts, capacityAmounts, maxPods, parseCpuMax, readCapacity } from './capacity.ts'
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

const hugePages = [
  { pageBytes: 2 ** 30, pages: 0 },
  { pageBytes: 2 ** 21, pages: 4 },
]

test('amounts are written as kubelets write them', () => {
  const amounts = capacityAmounts({ cpuMilli: 1500, memoryBytes: 2 ** 31, ephemeralStorageBytes: 2 ** 30, pods: 110, hugePages })
  assert.deepEqual(amounts, {
    cpu: '1500m',
    memory: '2097152Ki',
    'ephemeral-storage': '1048576Ki',
    pods: '110',
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '8Mi',
  })
})

test('what pods may have: without what is reserved, where evictions begin, and huge pages', () => {
  const capacity = { cpuMilli: 4000, memoryBytes: 8 * 2 ** 30, ephemeralStorageBytes: 100 * 2 ** 30, pods: 110, hugePages }
  const of = (change: Partial<KubeletConfiguration>): string[] => {
    const { cpu, memory, 'ephemeral-storage': disk } = allocatableAmounts(capacity, { ...KUBELET_DEFAULTS, ...change })
    return [cpu, memory, disk].map(String)
  }
  const kibOf = (gib: number, lessMib: number): string => `${gib * 2 ** 20 - lessMib * 1024}Ki`
  assert.deepEqual(of({}), ['4', kibOf(8, 320 + 8), kibOf(100, 512)])
  const reserved = { kubeReserved: { cpu: '200m', memory: '1Gi' }, systemReserved: { memory: '512Mi', 'ephemeral-storage': '1Gi' } }
  assert.deepEqual(of(reserved), ['3800m', kibOf(8, 1024 + 512 + 100 + 8), kibOf(100, 1024 + 512)])
  assert.deepEqual(of({ ...reserved, evictionHard: {} }), ['3800m', kibOf(8, 1024 + 512 + 8), kibOf(100, 1024)])
  assert.deepEqual([maxPods(capacity, KUBELET_DEFAULTS), maxPods(capacity, { ...KUBELET_DEFAULTS, podsPerCore: 10 })], [110, 40])
})

test('the system’s name', () =>
  assert.equal(prettyName('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'), 'Debian GNU/Linux 13 (trixie)'))
