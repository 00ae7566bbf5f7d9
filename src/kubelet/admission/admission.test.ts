import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, Pod, PodSpec } from '../../api/kinds/core/v1.ts'
import { judge, type AdmissionInput } from './admission.ts'
import { podsToPreempt } from './preemption.ts'
import { rejectionLabel } from './rejectionLabel.ts'
import type { Rejection } from '../pods/rejection.ts'

function whyRejected(input: AdmissionInput): Rejection | undefined {
  const verdict = judge(input)
  return 'rejection' in verdict ? verdict.rejection : undefined
}

const metadata = { namespace: 'default', creationTimestamp: '', resourceVersion: '' }
const node: Node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { ...metadata, name: 'minicube', uid: 'n', labels: { zone: 'a' } },
  spec: {
    taints: [
      { key: 'gone', effect: 'NoExecute' },
      { key: 'full', effect: 'NoSchedule' },
    ],
  },
}
const allocatable = { cpu: '2', memory: '1Gi', pods: '3' }
const tolerations = [{ key: 'gone', operator: 'Exists' }]

const pod = (spec: Partial<PodSpec>): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...metadata, name: 'p', uid: 'p' },
  spec: { tolerations, containers: [{ name: 'main' }], ...spec },
})
const asking = (requests: Record<string, string>): Pod => pod({ containers: [{ name: 'main', resources: { requests } }] })
const listening = (hostPort: number, hostIP?: string): Pod =>
  pod({ containers: [{ name: 'main', ports: [{ containerPort: 80, hostPort, ...(hostIP && { hostIP }) }] }] })
const failed = (reason: string, description: string): Rejection => ({ reason, message: `Predicate ${reason} failed: ${description}` })
const short = (resource: string, requested: number, used: number, capacity: number): Rejection => ({
  reason: `OutOf${resource}`,
  message: `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
})
const noPorts = failed('NodePorts', "node(s) didn't have free ports for the requested pod ports")
const noMatch = failed('NodeAffinity', "node(s) didn't match Pod's node affinity/selector")

const cases: [what: string, wanted: Pod, others: Pod[], expected: Rejection | undefined][] = [
  ['a pod that asks for nothing', pod({}), [], undefined],
  ['all of the node', asking({ cpu: '2', memory: '1Gi' }), [pod({})], undefined],
  ['more cpu than is left', asking({ cpu: '600m' }), [asking({ cpu: '1500m' })], short('cpu', 600, 1500, 2000)],
  ['more memory than there is', asking({ memory: '2Gi' }), [], short('memory', 2 ** 31, 0, 2 ** 30)],
  ['one pod too many', pod({}), [pod({}), pod({}), pod({})], short('pods', 1, 3, 3)],
  [
    'the most hungry init container counts',
    pod({ initContainers: [{ name: 'i', resources: { requests: { cpu: '3' } } }] }),
    [],
    short('cpu', 3000, 0, 2000),
  ],
  ['overhead counts', pod({ overhead: { cpu: '2500m' } }), [], short('cpu', 2500, 0, 2000)],
  ['a resource that the node does not know', asking({ 'example.com/gpu': '1' }), [], undefined],
  ['a label that the node has', pod({ nodeSelector: { zone: 'a' } }), [], undefined],
  ['a label that it does not have', pod({ nodeSelector: { zone: 'b' } }), [], noMatch],
  ['a taken port', listening(80), [listening(80)], noPorts],
  ['a taken port on every address', listening(80, '127.0.0.1'), [listening(80)], noPorts],
  ['the same port on another address', listening(80, '127.0.0.1'), [listening(80, '127.0.0.2')], undefined],
  ['a taint that drives out', pod({ tolerations: [] }), [], failed('TaintToleration', "node(s) had taints that the pod didn't tolerate")],
  ['a safe sysctl', pod({ securityContext: { sysctls: [{ name: 'net/ipv4/tcp_syncookies', value: '1' }] } }), [], undefined],
  [
    'a sysctl of a namespace that is the node’s',
    pod({ hostNetwork: true, securityContext: { sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }] } }),
    [],
    { reason: 'SysctlForbidden', message: 'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled' },
  ],
  [
    'an unsafe sysctl',
    pod({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }),
    [],
    { reason: 'SysctlForbidden', message: 'forbidden sysctl: "kernel.msgmax" not allowlisted' },
  ],
  [
    'another system by its label',
    { ...pod({}), metadata: { ...metadata, name: 'p', uid: 'p', labels: { 'kubernetes.io/os': 'windows' } } },
    [],
    {
      reason: 'PodOSSelectorNodeLabelDoesNotMatch',
      message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    },
  ],
  [
    'another system',
    pod({ os: { name: 'windows' } }),
    [],
    { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" },
  ],
]

for (const [what, wanted, others, expected] of cases) {
  test(`admission: ${what}`, () => assert.deepEqual(whyRejected({ pod: wanted, node, others, allocatable }), expected))
}

test('admission: what depends on an unknown node is let through', () => {
  assert.equal(whyRejected({ pod: pod({ nodeSelector: { zone: 'b' } }), node: undefined, others: [], allocatable }), undefined)
})

test('admission: unsafe sysctls that the node allows, by name or by beginning', () => {
  const wanted = (name: string): Pod => pod({ securityContext: { sysctls: [{ name, value: '1' }] } })
  const reason = (name: string): string | undefined =>
    whyRejected({ pod: wanted(name), node, others: [], allocatable, allowedUnsafeSysctls: ['kernel.msg*', 'net.core.somaxconn'] })?.reason
  assert.deepEqual(['kernel/msgmax', 'net.core.somaxconn', 'net.core.rmem_max'].map(reason), [undefined, undefined, 'SysctlForbidden'])
})

test('admission: AppArmor profiles where the host has none', () => {
  const rejection = (hasAppArmor: boolean, type: string): Rejection | undefined =>
    whyRejected({ pod: pod({ securityContext: { appArmorProfile: { type } } }), node, others: [], allocatable, hasAppArmor })
  const refused = { reason: 'AppArmor', message: 'Cannot enforce AppArmor: AppArmor is not enabled on the host' }
  assert.deepEqual(
    [rejection(false, 'RuntimeDefault'), rejection(true, 'RuntimeDefault'), rejection(false, 'Unconfined')],
    [refused, undefined, undefined],
  )
})

const CRITICAL = 2_000_000_000

test('admission: a critical pod is refused for what is not a matter of room alone', () => {
  const verdict = (spec: Partial<PodSpec>): ReturnType<typeof judge> =>
    judge({
      pod: pod({ priority: CRITICAL, ...asking({ cpu: '600m', memory: '1Gi' }).spec, ...spec }),
      node,
      others: [asking({ cpu: '1500m' })],
      allocatable,
    })
  assert.deepEqual(verdict({}), { needs: new Map([['cpu', 100]]), short: short('cpu', 600, 1500, 2000) })
  assert.deepEqual(verdict({ nodeSelector: { zone: 'b' } }), { rejection: noMatch })
})

/** `be-…`, `bu-…` and `gu-…` are of these classes of service. */
const named = (name: string, cpu: string, memory: string, spec: Partial<PodSpec> = {}): Pod => {
  const amounts = { cpu, memory }
  const resources = name.startsWith('be') ? {} : { requests: amounts, ...(name.startsWith('gu') && { limits: amounts }) }
  return { ...pod({ containers: [{ name: 'main', resources }], ...spec }), metadata: { ...metadata, name, uid: name } }
}
const be = named('be', '0', '0')
const [small, large] = [named('bu-small', '100m', '100Mi'), named('bu-large', '500m', '500Mi')]
const [guSmall, guLarge] = [named('gu-small', '100m', '100Mi'), named('gu-large', '500m', '500Mi')]
const everyone = [be, small, large, guSmall, guLarge]
const MIB = 2 ** 20

const preemptions: [what: string, others: Pod[], needs: [resource: string, amount: number][], expected: string[] | string][] = [
  ['the one that is just enough', everyone, [['cpu', 50]], ['bu-small']],
  ['one that is enough before two that are', everyone, [['cpu', 300]], ['bu-large']],
  ['a place alone takes the least of all', everyone, [['pods', 1]], ['be']],
  ['guaranteed pods only for what the others cannot give', everyone, [['memory', 650 * MIB]], ['bu-large', 'bu-small', 'gu-small']],
  ['everybody', everyone, [['cpu', 1200]], ['bu-large', 'bu-small', 'gu-large', 'gu-small']],
  [
    'nobody who is critical, too',
    [named('bu-critical', '1', '1Gi', { priority: CRITICAL })],
    [
      ['cpu', 200],
      ['memory', MIB],
    ],
    'preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: [(res: cpu, q: 200), (res: memory, q: 1048576), ]',
  ],
  ['one that is critical and less important', [named('bu-critical', '1', '1Gi', { priority: CRITICAL })], [['cpu', 200]], ['bu-critical']],
]

for (const [what, others, needs, expected] of preemptions) {
  test(`preemption: ${what}`, () => {
    const priority = what.endsWith('less important') ? CRITICAL + 1 : CRITICAL
    const found = podsToPreempt(pod({ priority }), others, new Map(needs))
    assert.deepEqual(typeof found === 'string' ? found : found.map(({ metadata: { name } }) => name), expected)
  })
}

test('admission: refused pods are counted under few names', () => {
  assert.deepEqual(['OutOfcpu', 'OutOfexample.com/gpu', 'NodePorts'].map(rejectionLabel), ['OutOfcpu', 'OutOfExtendedResources', 'Other'])
})
