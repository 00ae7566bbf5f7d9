import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, PersistentVolumeClaim, Pod, PodSpec, ResourceQuota, ServiceSpec } from './kinds/core/v1.ts'
import { claimUsage, countsClaim, countsPod, podUsage, serviceUsage, usedOf, type Usage } from './quotaUsage.ts'

const metadata = { name: 'x', namespace: 'ns', uid: 'x', resourceVersion: '1', creationTimestamp: '' }

function container(cpu: string, more: Partial<Container> = {}): Container {
  return { name: 'c', resources: { requests: { cpu }, limits: { cpu: '1', 'example.com/gpu': '1' } }, ...more }
}
function pod(spec: Partial<PodSpec>, phase = 'Running'): Pod {
  return { metadata, spec: { containers: [], ...spec }, status: { phase } }
}
function quota(names: string[], spec: ResourceQuota['spec'] = {}): ResourceQuota {
  return { metadata, spec: { ...spec, hard: Object.fromEntries(names.map((name) => [name, '100'])) } }
}
const used = (usage: Usage, ...names: string[]): Record<string, string> => usedOf(quota(names), usage)

test('what a pod counts for', () => {
  const names = ['pods', 'count/pods', 'cpu', 'requests.cpu', 'limits.cpu', 'requests.example.com/gpu', 'limits.example.com/gpu', 'memory']
  assert.deepEqual(used(podUsage(pod({ containers: [container('100m'), container('250m')] })), ...names), {
    pods: '1',
    'count/pods': '1',
    cpu: '350m',
    'requests.cpu': '350m',
    'limits.cpu': '2',
    'requests.example.com/gpu': '0',
    memory: '0',
  })
  assert.deepEqual(used(podUsage(pod({ containers: [container('1')] }, 'Succeeded')), 'pods', 'count/pods', 'cpu'), {
    pods: '0',
    'count/pods': '1',
    cpu: '0',
  })
})

test('names that nothing counts by are not told', () => {
  const counted = [
    'pods',
    'requests.a.b/c',
    'requests.hugepages-2Mi',
    'g.storageclass.storage.k8s.io/requests.storage',
    'count/x.y',
    'd.deviceclass.resource.k8s.io/devices',
  ]
  const strange = ['a.b/c', 'limits.a.b/c', 'requests.kubernetes.io/x', 'g.volumeattributesclass.storage.k8s.io/persistentvolumeclaims']
  assert.deepEqual(Object.keys(used({}, ...counted, ...strange)).toSorted(), counted.toSorted())
})

test('init containers count where they need more, sidecars always', () => {
  const spec = { containers: [container('100m')], initContainers: [container('50m', { restartPolicy: 'Always' }), container('300m')] }
  assert.deepEqual(used(podUsage(pod(spec)), 'cpu'), { cpu: '350m' })
  assert.deepEqual(
    used(podUsage(pod({ ...spec, initContainers: [container('50m', { restartPolicy: 'Always' }), container('10m')] })), 'cpu'),
    { cpu: '150m' },
  )
})

const resized = (more: object, conditions: object[] = []): Pod =>
  ({
    ...pod({ containers: [container('200m')] }),
    status: { phase: 'Running', containerStatuses: [{ name: 'c', ...more }], conditions },
  }) as Pod
const resizes: [string, Pod, string][] = [
  ['what it asks for, when that is more', resized({ resources: { requests: { cpu: '100m' } } }), '200m'],
  ['what it has still, when that is more', resized({ resources: { requests: { cpu: '300m' } } }), '300m'],
  ['what it was promised', resized({ resources: { requests: { cpu: '100m' } }, allocatedResources: { cpu: '400m' } }), '400m'],
  [
    'what it has, when the wish never fits',
    resized({ resources: { requests: { cpu: '100m' } } }, [{ type: 'PodResizePending', status: 'True', reason: 'Infeasible' }]),
    '100m',
  ],
  ['what its spec says, before anything is told', resized({}), '200m'],
  ['what it says for the whole pod', pod({ containers: [container('200m')], resources: { requests: { cpu: '50m' } } }), '50m'],
]
for (const [what, of, cpu] of resizes) test(`a pod counts with ${what}`, () => assert.deepEqual(used(podUsage(of), 'cpu'), { cpu }))

test('services and claims', () => {
  const service = (spec: ServiceSpec): Record<string, string> =>
    used(
      serviceUsage({ metadata, spec: { ports: [{ port: 1 }, { port: 2 }], ...spec } }),
      'services',
      'services.nodeports',
      'services.loadbalancers',
    )
  assert.deepEqual(service({ type: 'ClusterIP' }), { services: '1', 'services.nodeports': '0', 'services.loadbalancers': '0' })
  assert.deepEqual(service({ type: 'LoadBalancer' }), { services: '1', 'services.nodeports': '2', 'services.loadbalancers': '1' })
  const claim = claimUsage({ metadata, spec: { storageClassName: 'fast', resources: { requests: { storage: '2Gi' } } } })
  const names = [
    'persistentvolumeclaims',
    'requests.storage',
    'fast.storageclass.storage.k8s.io/requests.storage',
    'slow.storageclass.storage.k8s.io/requests.storage',
  ]
  assert.deepEqual(Object.values(used(claim, ...names)), ['1', '2Gi', '2Gi', '0'])
})

test('scopes', () => {
  const burstable = pod({ containers: [container('1')] })
  const bare = pod({ containers: [{ name: 'c' }], activeDeadlineSeconds: 5, priorityClassName: 'high' })
  const priority = (operator: string, values?: string[]) => ({
    scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator, ...(values && { values }) }] },
  })
  const cases: [ResourceQuota['spec'], boolean, boolean][] = [
    [{}, true, true],
    [{ scopes: ['BestEffort'] }, false, true],
    [{ scopes: ['NotBestEffort'] }, true, false],
    [{ scopes: ['Terminating'] }, false, true],
    [{ scopes: ['NotTerminating'] }, true, false],
    [priority('In', ['high']), false, true],
    [priority('NotIn', ['high']), true, false],
    [priority('Exists'), false, true],
  ]
  for (const [spec, first, second] of cases)
    assert.deepEqual([countsPod(quota([], spec), burstable), countsPod(quota([], spec), bare)], [first, second], JSON.stringify(spec))
})

test('claims by the attributes class that they have, had, or are given', () => {
  const claim = (status: PersistentVolumeClaim['status'], volumeAttributesClassName?: string): PersistentVolumeClaim => ({
    metadata,
    spec: { ...(volumeAttributesClassName && { volumeAttributesClassName }) },
    ...(status && { status }),
  })
  const changing = claim({ modifyVolumeStatus: { status: 'Pending', targetVolumeAttributesClassName: 'gold' } }, 'silver')
  const cases: [string, PersistentVolumeClaim, string, string[], boolean][] = [
    ['In', claim(undefined, 'gold'), 'In', ['gold'], true],
    ['In, of none', claim(undefined), 'In', ['gold'], false],
    ['In, had', claim({ currentVolumeAttributesClassName: 'gold' }, 'silver'), 'In', ['gold'], true],
    ['In, is given', changing, 'In', ['gold'], true],
    ['NotIn', claim(undefined, 'silver'), 'NotIn', ['gold'], true],
    ['NotIn, of none', claim(undefined), 'NotIn', ['gold'], true],
    ['NotIn, of both', changing, 'NotIn', ['gold'], true],
    ['NotIn, that one', claim(undefined, 'gold'), 'NotIn', ['gold'], false],
    ['Exists', claim(undefined, 'gold'), 'Exists', [], true],
    ['Exists, of none', claim(undefined), 'Exists', [], false],
    ['DoesNotExist', claim(undefined), 'DoesNotExist', [], true],
  ]
  for (const [what, subject, operator, values, expected] of cases) {
    const scopeSelector = { matchExpressions: [{ scopeName: 'VolumeAttributesClass', operator, values }] }
    assert.equal(countsClaim(quota([], { scopeSelector }), subject), expected, what)
  }
  assert.equal(countsClaim(quota([], { scopes: ['VolumeAttributesClass'] }), changing), true)
  assert.equal(countsClaim(quota([], { scopes: ['BestEffort'] }), changing), false)
  assert.equal(countsPod(quota([], { scopes: ['VolumeAttributesClass'] }), pod({})), false)
})
