import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Pod, PodSpec } from '../../api/kinds/core/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { judge, type AdmissionInput } from '../admission/admission.ts'
import { KUBELET_DEFAULTS, type KubeletConfiguration } from '../configuration.ts'
import { EvictionManager, intervalMs } from './evictionManager.ts'
import { exceededLimit, hasLocalLimits, type DiskUse } from './localLimits.ts'
import { Pressures, THRESHOLDS } from './pressure.ts'
import { bytesText, evictionMessage, ranked, type PodUse } from './ranking.ts'
import { readSignals, type Signals } from './signals.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30

const signals = (memoryBytes: number, capacity = 4 * GIB): Signals => ({
  memory: { available: memoryBytes, capacity },
  disk: { available: 10 * GIB, capacity: 100 * GIB },
  inodes: { available: Infinity, capacity: Infinity },
  pids: { available: 30_000, capacity: 32_768 },
})

function pod(name: string, spec: Partial<PodSpec> = {}): Pod {
  return {
    metadata: { name, namespace: 'ns', uid: name, creationTimestamp: '', resourceVersion: '' },
    spec: { containers: [{ name: 'c' }], ...spec },
  }
}

const asking = (memory: string): Partial<PodSpec> => ({ containers: [{ name: 'c', resources: { requests: { memory } } }] })

describe('pressure', () => {
  test('of memory begins below 100 MiB and lasts five minutes beyond its end', () => {
    const pressures = new Pressures(KUBELET_DEFAULTS)
    const at = (minutes: number, availableMib: number): boolean => {
      pressures.observe(signals(availableMib * MIB), minutes * 60_000)
      return pressures.conditions.includes('MemoryPressure')
    }
    assert.deepEqual(
      [at(0, 101), at(1, 99), at(2, 200), at(3, 99), at(7.9, 200), at(8, 200), at(9, 101)],
      [false, true, true, true, true, false, false],
    )
  })

  test('images are on the same disk; a share of nothing or of all is no threshold', () => {
    const met = (evictionHard: KubeletConfiguration['evictionHard']): string[] =>
      new Pressures({ ...KUBELET_DEFAULTS, evictionHard })
        .observe({ ...signals(1), disk: { available: 1, capacity: 100 }, inodes: { available: 1, capacity: 100 } }, 0)
        .map(({ threshold }) => threshold.signal)
    assert.deepEqual(met({ 'imagefs.available': { share: 0.1 }, 'imagefs.inodesFree': { amount: 5 } }), [
      'imagefs.available',
      'imagefs.inodesFree',
    ])
    assert.deepEqual(
      met({ 'imagefs.available': { share: 0 }, 'nodefs.available': { share: 1 }, 'containerfs.available': { share: 0.5 } }),
      [],
    )
  })

  test('begins where it was told to, and nowhere else', () => {
    const evictionHard = { 'nodefs.available': { share: 0.15 }, 'memory.available': { amount: GIB } }
    const pressures = new Pressures({ ...KUBELET_DEFAULTS, evictionHard, evictionPressureTransitionMs: 1000 })
    const short = { ...signals(GIB - 1), disk: { available: 14 * GIB, capacity: 100 * GIB }, pids: { available: 1, capacity: 32_768 } }
    const met = pressures.observe(short, 0).map(({ threshold, limit }) => [threshold.signal, limit])
    assert.deepEqual(met, [
      ['memory.available', GIB],
      ['nodefs.available', 15 * GIB],
    ])
    pressures.observe(signals(2 * GIB), 999)
    assert.deepEqual(pressures.conditions, ['MemoryPressure', 'DiskPressure'])
    pressures.observe({ ...signals(2 * GIB), disk: { available: 50 * GIB, capacity: 100 * GIB } }, 2000)
    assert.deepEqual(pressures.conditions, [])
  })

  test('a soft threshold is told at once, ends pods after its time, and is done when enough is given back', () => {
    const pressures = new Pressures({
      ...KUBELET_DEFAULTS,
      evictionSoft: { 'memory.available': { amount: GIB } },
      evictionSoftGraceMs: { 'memory.available': 60_000 },
      evictionMinimumReclaim: { 'memory.available': { amount: 256 * MIB } },
      evictionPressureTransitionMs: 0,
    })
    const at = (seconds: number, availableMib: number): [limits: number[], conditions: string[]] => {
      const met = pressures.observe(signals(availableMib * MIB), seconds * 1000)
      return [met.map(({ limit }) => limit / MIB), pressures.conditions]
    }
    const pressure = ['MemoryPressure']
    const cases: [seconds: number, availableMib: number, limits: number[]][] = [
      [0, 1000, []],
      [30, 1100, []],
      [40, 1000, []],
      [90, 1000, []],
      [100, 1000, [1024]],
      [101, 90, [100, 1024]],
      [102, 1200, [1024]],
      [103, 1300, []],
      [104, 1200, []],
    ]
    for (const [seconds, availableMib, limits] of cases) assert.deepEqual(at(seconds, availableMib)[0], limits, `after ${seconds} s`)
    const slow = new Pressures({
      ...KUBELET_DEFAULTS,
      evictionSoft: { 'memory.available': { share: 0.5 } },
      evictionSoftGraceMs: { 'memory.available': 1e6 },
    })
    assert.deepEqual([slow.observe(signals(GIB), 0), slow.conditions], [[], pressure])
  })

  test('a small node has small thresholds, and a laptop’s disk that is nearly full is none', () => {
    const met = (change: Partial<Signals>): string[] =>
      new Pressures(KUBELET_DEFAULTS).observe({ ...signals(2 * GIB), ...change }, 0).map(({ threshold }) => threshold.signal)
    assert.deepEqual(
      [
        met({ memory: { available: 60 * MIB, capacity: 512 * MIB } }),
        met({ memory: { available: 50 * MIB, capacity: 512 * MIB } }),
        met({ disk: { available: 3 * GIB, capacity: 500 * GIB } }),
        met({ disk: { available: 400 * MIB, capacity: 500 * GIB } }),
        met({ inodes: { available: 9, capacity: 1000 }, pids: { available: 10, capacity: 32_768 } }),
      ],
      [[], ['memory.available'], [], ['nodefs.available'], ['nodefs.inodesFree', 'pid.available']],
    )
  })
})

test('a disk is looked at again before a pod can have filled it', () => {
  const disk = (gib: number): Signals => ({ ...signals(2 * GIB), disk: { available: gib * GIB, capacity: 100 * GIB } })
  assert.deepEqual(
    [60, 5, 1, 0.1].map((gib) => intervalMs(new Pressures(KUBELET_DEFAULTS), disk(gib))),
    [10_000, 5120, 500, 500],
  )
})

test('that the node runs short is told once in ten seconds, however often it looks', async () => {
  const clock = new FakeClock()
  const told: number[] = []
  const startMs = clock.now()
  const over = new AbortController()
  const manager = new EvictionManager({
    configuration: KUBELET_DEFAULTS,
    clock,
    log: silentLogger,
    signal: over.signal,
    rootDir: '/nowhere',
    runtime: { stats: () => Promise.reject(new Error('nothing runs')), diskUsage: async () => ({ writableBytes: 0, logBytes: 0 }) },
    signals: async () => signals(MIB),
    pods: () => [],
    observed: () => ({ sandboxes: [], containers: new Map() }),
    evict() {},
    onConditions() {},
    onNodeEvent: () => void told.push(clock.now() - startMs),
    reclaimDisk: async () => {},
  })
  const running = manager.run()
  for (let turn = 0; turn < 44; turn++) await clock.advance(500)
  assert.deepEqual(told, [0, 10_000, 20_000])
  over.abort()
  await clock.advance(1)
  await running
})

test('who cannot write has the node looked at, at once and not all the time', async () => {
  const clock = new FakeClock()
  const over = new AbortController()
  let looks = 0
  const manager = new EvictionManager({
    configuration: KUBELET_DEFAULTS,
    clock,
    log: silentLogger,
    signal: over.signal,
    rootDir: '/nowhere',
    runtime: { stats: () => Promise.reject(new Error('nothing runs')), diskUsage: async () => ({ writableBytes: 0, logBytes: 0 }) },
    signals: async () => {
      looks++
      return { ...signals(2 * GIB), disk: { available: 60 * GIB, capacity: 100 * GIB } }
    },
    pods: () => [],
    observed: () => ({ sandboxes: [], containers: new Map() }),
    evict() {},
    onConditions() {},
    onNodeEvent() {},
    reclaimDisk: async () => {},
  })
  const running = manager.run()
  const after = async (ms: number): Promise<number> => {
    await clock.advance(ms)
    return looks
  }
  assert.equal(await after(5_000), 1)
  manager.lookNow()
  assert.equal(await after(1), 2)
  manager.lookNow()
  manager.lookNow()
  assert.equal(await after(50), 2)
  assert.equal(await after(50), 3)
  over.abort()
  await clock.advance(1)
  await running
})

test("what is available: the machine's, or what the node's limit leaves", async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'signals-'))
  t.after(() => rm(root, { recursive: true }))
  const meminfo = join(root, 'meminfo')
  const memory = async (): Promise<number> => (await readSignals(root, root, meminfo)).memory.available
  await writeFile(meminfo, 'MemTotal: 9000000 kB\nMemAvailable:    2097152 kB\n')
  assert.equal(await memory(), 2 * GIB)
  await mkdir(join(root, 'memory'))
  await writeFile(join(root, 'memory/memory.limit_in_bytes'), `${GIB}\n`)
  await writeFile(join(root, 'memory/memory.usage_in_bytes'), `${GIB - 10 * MIB}\n`)
  await writeFile(join(root, 'memory/memory.stat'), `inactive_file 1\ntotal_inactive_file ${20 * MIB}\n`)
  assert.equal(await memory(), 30 * MIB, 'cgroup v1')
  await writeFile(join(root, 'memory.max'), `${GIB}\n`)
  await writeFile(join(root, 'memory.current'), `${GIB - 40 * MIB}\n`)
  await writeFile(join(root, 'memory.stat'), 'inactive_file 0\n')
  assert.equal(await memory(), 40 * MIB, 'cgroup v2')
  await mkdir(join(root, 'kubepods'))
  await writeFile(join(root, 'kubepods/memory.max'), `${100 * MIB}\n`)
  await writeFile(join(root, 'kubepods/memory.current'), `${95 * MIB}\n`)
  assert.equal(await memory(), 5 * MIB, 'of what pods may have')
  await writeFile(join(root, 'pids.max'), '100\n')
  await writeFile(join(root, 'pids.current'), '97\n')
  assert.deepEqual((await readSignals(root, root, meminfo)).pids, { available: 3, capacity: 100 })
})

describe('who goes first', () => {
  const use = (of: Pod, memoryMib: number): PodUse => ({
    pod: of,
    containers: [{ name: 'c', memoryBytes: memoryMib * MIB, processes: 0, diskBytes: 0 }],
    volumeBytes: 0,
  })

  test('more than asked for, then the least important, then the most beyond; never the node’s own', () => {
    const uses = [
      use(pod('within', asking('200Mi')), 150),
      use(pod('important', { ...asking('10Mi'), priority: 1000 }), 500),
      use(pod('a-little', asking('10Mi')), 20),
      use(pod('much', asking('10Mi')), 90),
      use(pod('critical', { priority: 2_000_001_000 }), 900),
    ]
    assert.deepEqual(
      ranked(uses, 'memory').map(({ pod: { metadata } }) => metadata.name),
      ['much', 'a-little', 'important', 'within'],
    )
  })

  test('what is said of it', () => {
    const [threshold] = THRESHOLDS
    assert.equal(
      evictionMessage({ threshold: threshold!, available: 50 * MIB, limit: 100 * MIB }, use(pod('p', asking('10Mi')), 90)),
      'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container c was using 90Mi, request is 10Mi, has larger consumption of memory. ',
    )
    assert.deepEqual([0, 1023, 1024, 1536 * 1024].map(bytesText), ['0', '1023', '1Ki', '1536Ki'])
  })
})

describe("a pod's own limits", () => {
  const sized = pod('p', { volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }] })
  const limited = pod('p', { containers: [{ name: 'c', resources: { limits: { 'ephemeral-storage': '1Mi' } } }, { name: 'd' }] })
  const whole = pod('p', { resources: { limits: { 'ephemeral-storage': '3Mi' } } })
  const inMemory = pod('p', { volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi', medium: 'Memory' } }] })
  const takes = (volume: number, c: number): DiskUse => ({
    emptyDirs: new Map([['v', volume * MIB]]),
    containers: new Map([['c', c * MIB]]),
    filesBytes: 0,
  })
  const cases: [name: string, of: Pod, use: DiskUse, expected: string | undefined][] = [
    ['an emptyDir that keeps its limit', sized, takes(1, 9), undefined],
    ['an emptyDir that does not', sized, takes(2, 0), 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '],
    [
      'containers and volumes together',
      limited,
      takes(1, 1),
      'Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ',
    ],
    ['the pod as a whole', whole, takes(2, 2), 'Pod ephemeral local storage usage exceeds the total limit of containers 3Mi. '],
    [
      'a hosts file that grew',
      limited,
      { ...takes(0, 0), filesBytes: 2 * MIB },
      'Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ',
    ],
    ['within all', limited, takes(0, 1), undefined],
  ]
  for (const [name, of, use, expected] of cases) test(name, () => assert.equal(exceededLimit(of, use)?.message, expected))
  test('pods without one are not looked at', () =>
    assert.deepEqual([sized, limited, whole, inMemory, pod('none')].map(hasLocalLimits), [true, true, true, false, false]))
})

describe('a node under pressure', () => {
  const why = (of: Pod, pressures: AdmissionInput['pressures']): string | undefined => {
    const input = { pod: of, node: undefined, others: [], allocatable: { pods: '9', memory: '1Gi' } }
    const verdict = judge({ ...input, ...(pressures && { pressures }) })
    return 'rejection' in verdict ? verdict.rejection.message : undefined
  }
  const tolerant = pod('p', { tolerations: [{ key: 'node.kubernetes.io/memory-pressure', operator: 'Exists' }] })
  test('takes no pod that it would end first', () => {
    assert.deepEqual(
      [
        why(pod('p'), ['MemoryPressure']),
        why(pod('p', asking('1Mi')), ['MemoryPressure']),
        why(tolerant, ['MemoryPressure']),
        why(pod('p', asking('1Mi')), ['MemoryPressure', 'DiskPressure']),
        why(pod('p', { priority: 2_000_000_000 }), ['DiskPressure']),
      ],
      [
        'The node had condition: [MemoryPressure]. ',
        undefined,
        undefined,
        'The node had condition: [MemoryPressure DiskPressure]. ',
        undefined,
      ],
    )
  })
})
