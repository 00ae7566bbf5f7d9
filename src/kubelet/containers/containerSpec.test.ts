import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, Pod, PodSpec } from '../../api/kinds/core/v1.ts'
import type { Image } from '../runtime/runtime.ts'
import { oomScoreAdj, podCgroup, podQosClass } from '../resources/qos.ts'
import { KUBELET_DEFAULTS } from '../configuration.ts'
import { linuxResources, type NodeLimits } from '../resources/resources.ts'
import { containerSecurity } from './security.ts'

const podOf = (spec: Partial<PodSpec>): Pod =>
  ({ metadata: { name: 'p', namespace: 'ns', uid: 'u' }, spec: { containers: [], ...spec } }) as unknown as Pod
const withResources = (...all: Container['resources'][]): Pod =>
  podOf({ containers: all.map((resources, index) => ({ name: `c${index}`, ...(resources && { resources }) })) })
const full = { cpu: '500m', memory: '64Mi' }

const qos: [string, Pod, string, string][] = [
  ['nothing asked', withResources(undefined), 'BestEffort', '/kubepods/besteffort/podu'],
  ['requests only', withResources({ requests: full }), 'Burstable', '/kubepods/burstable/podu'],
  ['limits for everything', withResources({ limits: full }), 'Guaranteed', '/kubepods/podu'],
  ['equal requests and limits', withResources({ requests: full, limits: full }), 'Guaranteed', '/kubepods/podu'],
  ['one of two has limits', withResources({ limits: full }, undefined), 'Burstable', '/kubepods/burstable/podu'],
  [
    'requests below limits',
    withResources({ requests: { cpu: '1m', memory: '64Mi' }, limits: full }),
    'Burstable',
    '/kubepods/burstable/podu',
  ],
  ['zero is nothing', withResources({ requests: { cpu: '0' } }), 'BestEffort', '/kubepods/besteffort/podu'],
]
for (const [what, pod, want, cgroup] of qos) {
  test(`quality of service: ${what} is ${want}`, () => {
    assert.equal(podQosClass(pod), want)
    assert.equal(podCgroup(pod), cgroup)
  })
}

const node = (memoryGib: number): NodeLimits => ({ ...KUBELET_DEFAULTS, memoryBytes: memoryGib * 2 ** 30 })

test('requests and limits as cgroup settings', () => {
  const pod = withResources({ requests: { cpu: '250m', memory: '1Gi' }, limits: { cpu: '1.5', memory: '2Gi' } })
  const container = pod.spec?.containers[0] as Container
  assert.deepEqual(linuxResources(pod, container, node(4)), {
    cpuShares: 256,
    cpuQuotaUs: 150_000,
    cpuPeriodUs: 100_000,
    memoryLimitBytes: 2 * 2 ** 30,
    pidsLimit: 4096,
    oomScoreAdj: 750,
  })
  assert.deepEqual(linuxResources(podOf({ containers: [{ name: 'c' }] }), { name: 'c' }, node(1)), {
    cpuShares: 2,
    pidsLimit: 4096,
    oomScoreAdj: 1000,
  })
})

test('oom_score_adj of a pod with requests of its own, and of sidecars', () => {
  const asks = (memory: string) => ({ resources: { requests: { memory } } })
  const main = { name: 'c', ...asks('200Mi') }
  const sidecar = { name: 's', restartPolicy: 'Always', ...asks('50Mi') }
  const pod = podOf({ containers: [main, { name: 'd', ...asks('100Mi') }], initContainers: [sidecar] })
  const whole = podOf({ ...pod.spec, ...asks('650Mi') } as PodSpec)
  const scores = (of: Pod): number[] => [main, sidecar].map((container) => oomScoreAdj(of, container, 1000 * 2 ** 20))
  assert.deepEqual(scores(pod), [800, 900], 'a sidecar counts as the least of the containers')
  assert.deepEqual(scores(whole), [700, 800], 'and each with its part of what the pod asks for beyond them')
})

test('oom_score_adj stays between the extremes', () => {
  const burst = (memory: string): number => {
    const pod = withResources({ requests: { memory } })
    return oomScoreAdj(pod, pod.spec?.containers[0] as Container, 2 ** 30)
  }
  assert.equal(burst('1'), 999)
  assert.equal(burst('40Mi'), 961, 'what is not a whole thousandth counts for nothing')
  assert.equal(burst('1Gi'), 3)
  assert.equal(oomScoreAdj(withResources({ limits: full }), { name: 'c0' }, 2 ** 30), -997)
})

const image: Image = { id: 'i', repoTags: [], repoDigests: [], sizeBytes: 1 }
const secured = (
  own: Container['securityContext'],
  ofPod: PodSpec['securityContext'] = {},
  of: Partial<Image> = {},
  seccompDefault = false,
) =>
  containerSecurity(
    podOf({ securityContext: ofPod }),
    { name: 'c', ...(own && { securityContext: own }) },
    { ...image, ...of },
    { rootDir: '/var/lib/kubelet', seccompDefault },
  )

test('pods that name no seccomp profile are free, or have the engine’s where that is the default', () => {
  const types = [false, true].map((seccompDefault) => secured(undefined, {}, {}, seccompDefault).seccomp.type)
  assert.deepEqual(types, ['Unconfined', 'RuntimeDefault'])
  assert.equal(secured({ seccompProfile: { type: 'Unconfined' } }, {}, {}, true).seccomp.type, 'Unconfined')
})

test('the container’s security context wins over the pod’s', () => {
  const security = secured(
    { runAsUser: 5, allowPrivilegeEscalation: false, capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] } },
    { runAsUser: 1, runAsGroup: 2, fsGroup: 3, supplementalGroups: [4], seccompProfile: { type: 'Localhost', localhostProfile: 'a.json' } },
  )
  assert.equal(security.user, '5:2')
  assert.deepEqual(security.supplementalGroups, [4, 3])
  assert.equal(security.noNewPrivileges, true)
  assert.deepEqual([security.capabilitiesAdd, security.capabilitiesDrop], [['NET_ADMIN'], ['ALL']])
  assert.deepEqual(security.seccomp, { type: 'Localhost', path: '/var/lib/kubelet/seccomp/a.json' })
})

test('a group alone goes with the image’s user', () => {
  assert.equal(secured({ runAsGroup: 7 }, {}, { uid: 33 }).user, '33:7')
  assert.equal(secured({ runAsGroup: 7 }, {}, { username: 'www' }).user, 'www:7')
  assert.equal(secured(undefined).user, undefined)
})

const refused: [string, Container['securityContext'], Partial<Image>, RegExp][] = [
  ['user 0', { runAsNonRoot: true, runAsUser: 0 }, {}, /container's runAsUser breaks non-root policy \(pod: "p_ns\(u\)", container: c\)/],
  ['an image that runs as root', { runAsNonRoot: true }, {}, /container has runAsNonRoot and image will run as root/],
  [
    'an image with a user name',
    { runAsNonRoot: true },
    { username: 'app' },
    /image has non-numeric user \(app\), cannot verify user is non-root/,
  ],
]
for (const [what, context, of, message] of refused) {
  test(`runAsNonRoot refuses ${what}`, () => {
    assert.throws(() => secured(context, {}, of), { name: 'ContainerConfigError', message })
  })
}

test('runAsNonRoot accepts an image with a numeric user', () => {
  assert.equal(secured({ runAsNonRoot: true }, {}, { uid: 1000 }).user, undefined)
})
