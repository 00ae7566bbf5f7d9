import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeviceTaint, DeviceToleration, ResourceClaim, ResourceSlice } from '../../api/kinds/resource/v1.ts'
import { claimEvictionMs } from './plan.ts'

const SEEN = Date.UTC(2026, 0, 1)
const ADDED = '2025-12-31T23:59:00Z'
const meta = (name: string) => ({ name, namespace: 'ns', uid: name, resourceVersion: '1', creationTimestamp: '' })

function claim(tolerations: DeviceToleration[] = []): ResourceClaim {
  const results = [{ request: 'r', driver: 'd', pool: 'p', device: 'gpu-0', tolerations }]
  return { metadata: meta('c'), spec: {}, status: { allocation: { devices: { results } } } }
}
const slice = (generation: number, taints: DeviceTaint[], device = 'gpu-0'): ResourceSlice => ({
  metadata: meta(`s${generation}`),
  spec: { driver: 'd', pool: { name: 'p', generation, resourceSliceCount: 1 }, devices: [{ name: device, taints }] },
})

test('when a claim must be given up', () => {
  const broken: DeviceTaint = { key: 'k', value: 'v', effect: 'NoExecute', timeAdded: ADDED }
  const tolerate = (seconds?: number): DeviceToleration => ({
    key: 'k',
    operator: 'Exists',
    effect: 'NoExecute',
    ...(seconds !== undefined && { tolerationSeconds: seconds }),
  })
  const at = Date.parse(ADDED)
  const cases: [string, ResourceClaim, ResourceSlice[], number | undefined][] = [
    ['no taint', claim(), [slice(1, [])], undefined],
    ['tainted', claim(), [slice(1, [broken])], at],
    ['for others only', claim(), [slice(1, [{ ...broken, effect: 'NoSchedule' }])], undefined],
    ['a taint without a time', claim(), [slice(1, [{ key: 'k', effect: 'NoExecute' }])], SEEN],
    ['tolerated for ever', claim([tolerate()]), [slice(1, [broken])], undefined],
    ['tolerated for a while', claim([tolerate(90), tolerate(30)]), [slice(1, [broken])], at + 30_000],
    ['another effect tolerated', claim([{ ...tolerate(), effect: 'NoSchedule' }]), [slice(1, [broken])], at],
    ['one of two taints', claim([tolerate()]), [slice(1, [broken, { ...broken, key: 'other' }])], at],
    ['an old generation', claim(), [slice(1, [broken]), slice(2, [])], undefined],
    ['another device', claim(), [slice(1, [broken], 'gpu-1')], undefined],
  ]
  for (const [name, subject, slices, expected] of cases) assert.equal(claimEvictionMs(subject, slices, SEEN), expected, name)
})
