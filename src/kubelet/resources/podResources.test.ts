import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Pod, PodSpec, ResourceRequirements } from '../../api/kinds/core/v1.ts'
import { limitPod } from './podCgroup.ts'
import { podCgroupSettings, podResources, widest, type PodCgroupSettings } from './podResources.ts'

const podOf = (spec: Partial<PodSpec>, ...ofContainers: ResourceRequirements[]): Pod => ({
  metadata: { name: 'p', namespace: 'ns', uid: 'U', creationTimestamp: '', resourceVersion: '' },
  spec: { containers: ofContainers.map((resources, i) => ({ name: `c${i}`, resources })), ...spec },
})
const amounts = (cpu: string, memory: string): Record<string, string> => ({ cpu, memory })
const MIB = 2 ** 20

const cases: [string, Pod, Partial<PodCgroupSettings>][] = [
  ['nothing asked for', podOf({}, {}), { cpuShares: 2, hugePages: [] }],
  [
    'the sum of what every container may have',
    podOf({}, { requests: amounts('100m', '1Mi'), limits: amounts('250m', '64Mi') }, { limits: amounts('250m', '64Mi') }),
    { cpuShares: 102, cpuQuotaUs: 50_000, cpuPeriodUs: 100_000, memoryLimitBytes: 128 * MIB, hugePages: [] },
  ],
  [
    'one container without a limit',
    podOf({}, { requests: amounts('1', '1Mi'), limits: amounts('1', '64Mi') }, { requests: { cpu: '1' } }),
    { cpuShares: 2048, hugePages: [] },
  ],
  [
    'what was said for the pod, and its sandbox’s own',
    podOf({ resources: { requests: amounts('500m', '32Mi'), limits: amounts('1', '96Mi') }, overhead: amounts('500m', '4Mi') }, {}),
    { cpuShares: 1024, cpuQuotaUs: 150_000, cpuPeriodUs: 100_000, memoryLimitBytes: 100 * MIB, hugePages: [] },
  ],
  [
    'huge pages',
    podOf({}, { requests: { ...amounts('1', '1Mi'), 'hugepages-2Mi': '4Mi' } }),
    { cpuShares: 1024, hugePages: [{ pageSize: '2Mi', bytes: 4 * MIB }] },
  ],
]
for (const [what, pod, want] of cases)
  test(`a pod's cgroup: ${what}`, () => assert.deepEqual(podCgroupSettings(pod, { cpuCfsQuota: true }), want))

test('the pod’s status tells what it has as a whole', () => {
  assert.deepEqual(podResources(podOf({}, {})), {})
  assert.deepEqual(podResources(podOf({ resources: { limits: { memory: '96Mi' } } }, { requests: amounts('1', '1Mi') })), {
    requests: amounts('1', '1Mi'),
    limits: { memory: '96Mi' },
  })
})

test('on the way from one size to another the wider of both holds', () => {
  const sized = (milli: number, mib: number | undefined): PodCgroupSettings => ({
    cpuShares: milli,
    cpuQuotaUs: milli * 100,
    cpuPeriodUs: 100_000,
    ...(mib !== undefined && { memoryLimitBytes: mib * MIB }),
    hugePages: [],
  })
  assert.deepEqual(widest(sized(500, 64), sized(200, 128)), sized(500, 128))
  assert.deepEqual(widest(sized(500, 64), sized(800, undefined)), sized(800, undefined))
})

const limited = podOf({ resources: { requests: amounts('1', '1Mi'), limits: amounts('1', '96Mi') } }, {})
const settings = podCgroupSettings(limited, { cpuCfsQuota: true })
const layouts: [string, string[], Record<string, string>][] = [
  [
    'cgroup v1',
    [
      'cpu/kubepods/burstable/podU/cpu.shares',
      'cpu/kubepods/burstable/podU/cpu.cfs_quota_us',
      'memory/kubepods/burstable/podU/memory.limit_in_bytes',
    ],
    {
      'cpu/kubepods/burstable/podU/cpu.cfs_quota_us': '100000',
      'memory/kubepods/burstable/podU/memory.limit_in_bytes': `${96 * MIB}`,
    },
  ],
  [
    'cgroup v2',
    ['cgroup.controllers', 'kubepods/burstable/podU/cpu.max', 'kubepods/burstable/podU/memory.max'],
    { 'kubepods/burstable/podU/cpu.max': '100000 100000', 'kubepods/burstable/podU/memory.max': `${96 * MIB}` },
  ],
]
for (const [what, files, want] of layouts)
  test(`what a pod may have is written into its group: ${what}`, async (t) => {
    const root = await mkdtemp(join(tmpdir(), 'cgroup-'))
    t.after(() => rm(root, { recursive: true, force: true }))
    for (const file of files) {
      await mkdir(join(root, file, '..'), { recursive: true })
      await writeFile(join(root, file), '')
    }
    await limitPod(limited, { ...settings, hugePages: [{ pageSize: '2Mi', bytes: 0 }] }, root)
    for (const [file, text] of Object.entries(want)) assert.equal(await readFile(join(root, file), 'utf8'), text, file)
  })
