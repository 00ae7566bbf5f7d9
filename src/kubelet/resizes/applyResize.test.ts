import assert from 'node:assert/strict'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Pod, ResourceRequirements } from '../../api/kinds/core/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { applyResize } from './applyResize.ts'
import { podCgroup } from '../resources/qos.ts'
import { KubeletMeasures } from '../metrics/measures.ts'
import { PodLimits } from '../resources/podLimits.ts'
import type { GroupStats } from '../runtime/cgroupStats.ts'
import type { Container } from '../runtime/runtime.ts'

const NODE = { memoryBytes: 2 ** 33, podPidsLimit: 100, cpuCfsQuota: true, seccompDefault: false }
const clock = new FakeClock()

function podWith(container: string | undefined, whole?: string): Pod {
  const memory = (amount: string): ResourceRequirements => ({ limits: { memory: amount } })
  return {
    metadata: { name: 'p', namespace: 'n', uid: 'u' },
    spec: {
      containers: [{ name: 'c', image: 'i', ...(container && { resources: memory(container) }) }],
      ...(whole && { resources: memory(whole) }),
    },
  } as unknown as Pod
}

interface Case {
  pod: Pod
  had: string
  usedBytes: number
}

/** What is told of the failure, or what was written into the pod's group. */
async function outcome({ pod, had, usedBytes }: Case): Promise<string | number | undefined> {
  const root = await mkdtemp(join(tmpdir(), 'resize-'))
  const group = join(root, podCgroup(pod))
  await mkdir(group, { recursive: true })
  await writeFile(join(root, 'cgroup.controllers'), 'cpu memory\n')
  const files = { 'memory.max': '104857600', 'memory.current': `${usedBytes}`, 'memory.stat': '', 'cpu.stat': '' }
  for (const [name, text] of Object.entries(files)) await writeFile(join(group, name), `${text}\n`)
  let written: number | undefined
  const limits = new PodLimits((_, { memoryLimitBytes }) => Promise.resolve(void (written = memoryLimitBytes)), NODE, {
    clock,
    measures: new KubeletMeasures(clock),
  })
  const [spec] = pod.spec.containers
  const container = { id: 'x', name: 'c', state: 'Running' } as Container
  const runtime = {
    updateResources: () => Promise.resolve(),
    stats: () => Promise.resolve({ memoryUsageBytes: usedBytes } as GroupStats),
  }
  const known = new Map([['x', { limits: { memory: had } }]])
  const observed = { sandboxes: [], containers: new Map() }
  const resize = { pod, observed, known, containers: spec?.resources ? [{ container, spec }] : [] }
  return applyResize({ runtime, limits, nodeLimits: NODE, cgroupRoot: root }, resize).then(
    () => written,
    (error: Error) => error.message,
  )
}

test('memory limits go no lower than what is in use', async () => {
  const mib = 2 ** 20
  const pod = (limit: number, used: number): string =>
    `attempting to set pod memory limit (${limit * mib}) below current usage (${used * mib})`
  const container = pod(50, 60).replace('pod', 'container "c"')
  assert.equal(await outcome({ pod: podWith(undefined, '50Mi'), had: '', usedBytes: 20 * mib }), 50 * mib)
  assert.equal(
    await outcome({ pod: podWith(undefined, '50Mi'), had: '', usedBytes: 60 * mib }),
    `cannot decrease memory limits: ${pod(50, 60)}`,
  )
  // More than it has is no matter of use.
  assert.equal(await outcome({ pod: podWith(undefined, '100Mi'), had: '', usedBytes: 100 * mib }), 100 * mib)
  const both = { pod: podWith('50Mi'), had: '80Mi', usedBytes: 60 * mib }
  assert.equal(await outcome(both), `cannot decrease memory limits: [${pod(50, 60)}, ${container}]`)
  assert.equal(await outcome({ ...both, pod: podWith('50Mi', '100Mi') }), `cannot decrease memory limits: ${container}`)
  assert.equal(await outcome({ ...both, pod: podWith('90Mi'), usedBytes: 30 * mib }), 90 * mib)
})
