import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, Pod, Service, ServiceSpec } from '../../api/kinds/core/v1.ts'
import type { EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { planSubsets } from './endpoints.ts'
import { planSlices, type SlicePlan } from './plan.ts'

function service(spec: Partial<ServiceSpec> = {}): Service {
  return {
    metadata: { name: 'web', namespace: 'ns', uid: 's', resourceVersion: '1', creationTimestamp: '' },
    spec: {
      selector: { app: 'web' },
      ipFamilies: ['IPv4'],
      ports: [{ name: 'http', port: 80, targetPort: 'web', protocol: 'TCP' }],
      ...spec,
    },
  }
}

function pod(n: number, facts: { ready?: boolean; deleting?: boolean; port?: number; ips?: string[] } = {}): Pod {
  const { ready = true, deleting, port = 8080, ips = [`10.0.0.${n}`] } = facts
  return {
    metadata: {
      name: `p${n}`,
      namespace: 'ns',
      uid: `u${n}`,
      resourceVersion: '1',
      creationTimestamp: '',
      ...(deleting && { deletionTimestamp: 'x' }),
    },
    spec: { nodeName: 'node', containers: [{ name: 'c', ports: [{ name: 'web', containerPort: port, protocol: 'TCP' }] }] },
    status: { podIPs: ips.map((ip) => ({ ip })), conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }
}

const node: Node = {
  metadata: { name: 'node', uid: 'n', resourceVersion: '1', creationTimestamp: '', labels: { 'topology.kubernetes.io/zone': 'z1' } },
  spec: {},
}
const nodeOf = (name: string): Node | undefined => (name === 'node' ? node : undefined)

/** The slices after a plan was carried out. */
function applied(slices: readonly EndpointSlice[], plan: SlicePlan): EndpointSlice[] {
  const updates = new Map(plan.update.map((slice) => [slice.metadata.uid, slice]))
  const kept = slices.filter((slice) => !plan.remove.includes(slice)).map((slice) => updates.get(slice.metadata.uid) ?? slice)
  const made = plan.create.map((draft, n) => {
    const uid = `slice${slices.length + n}`
    return { ...draft, metadata: { ...draft.metadata, name: uid, uid, namespace: 'ns', resourceVersion: '1', creationTimestamp: '' } }
  })
  return [...kept, ...made]
}

const nothing: SlicePlan = { create: [], update: [], remove: [], problems: [], skipped: [] }

test('one pod makes one slice with what is known of it', () => {
  const { create } = planSlices({ service: service(), pods: [pod(1)], slices: [], nodeOf })
  assert.deepEqual(create, [
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        generateName: 'web-',
        namespace: 'ns',
        labels: { 'kubernetes.io/service-name': 'web', 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'web', uid: 's', controller: true, blockOwnerDeletion: true }],
      },
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: ['10.0.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          nodeName: 'node',
          zone: 'z1',
          targetRef: { kind: 'Pod', namespace: 'ns', name: 'p1', uid: 'u1' },
        },
      ],
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    },
  ])
})

test('conditions', () => {
  const cases: [Parameters<typeof pod>[1], Partial<ServiceSpec>, object][] = [
    [{ ready: false }, {}, { ready: false, serving: false, terminating: false }],
    [{ ready: true, deleting: true }, {}, { ready: false, serving: true, terminating: true }],
    [{ ready: false }, { publishNotReadyAddresses: true }, { ready: true, serving: false, terminating: false }],
  ]
  for (const [facts, spec, conditions] of cases) {
    const { create } = planSlices({ service: service(spec), pods: [pod(1, facts)], slices: [], nodeOf })
    assert.deepEqual(create[0]?.endpoints?.[0]?.conditions, conditions)
  }
})

test('traffic distribution becomes hints of the ready endpoints', () => {
  const hintsWith = (trafficDistribution: string, ready = true): unknown =>
    planSlices({ service: service({ trafficDistribution }), pods: [pod(1, { ready })], slices: [], nodeOf }).create[0]?.endpoints?.[0]
      ?.hints
  const forZones = [{ name: 'z1' }]
  assert.deepEqual(hintsWith('PreferClose'), { forZones })
  assert.deepEqual(hintsWith('PreferSameZone'), { forZones })
  assert.deepEqual(hintsWith('PreferSameNode'), { forZones, forNodes: [{ name: 'node' }] })
  assert.equal(hintsWith('PreferClose', false), undefined)
})

test('any change of the pods settles in one step, and endpoints stay in their slices', () => {
  const all = Array.from({ length: 250 }, (_, n) => pod(n))
  let slices: EndpointSlice[] = []
  const sizes = (): number[] => slices.map((slice) => slice.endpoints?.length ?? 0)
  const go = (pods: readonly Pod[]): SlicePlan => {
    const plan = planSlices({ service: service(), pods, slices, nodeOf })
    slices = applied(slices, plan)
    assert.deepEqual(planSlices({ service: service(), pods, slices, nodeOf }), nothing)
    return plan
  }
  go([])
  assert.deepEqual(sizes(), [0])
  const grown = go(all)
  assert.deepEqual([grown.create.length, grown.update.length, sizes()], [2, 1, [100, 100, 50]])
  const shrunk = go(all.slice(1))
  assert.deepEqual([shrunk.create.length, shrunk.update.length, shrunk.remove.length], [0, 1, 0])
  assert.equal(
    sizes().reduce((a, b) => a + b),
    249,
  )
  go([])
  assert.deepEqual(sizes(), [0])
})

test('pods with other ports, and other address families, get their own slices', () => {
  const pods = [pod(1), pod(2, { port: 9090 }), pod(3, { ips: ['10.0.0.3', 'fd00::3'] })]
  const { create } = planSlices({ service: service({ ipFamilies: ['IPv4', 'IPv6'] }), pods, slices: [], nodeOf })
  const summary = create.map((s) => `${s.addressType} ${s.ports?.[0]?.port} ${s.endpoints?.map((e) => e.addresses[0]).join(' ')}`)
  assert.deepEqual(summary, ['IPv4 8080 10.0.0.1 10.0.0.3', 'IPv4 9090 10.0.0.2', 'IPv6 8080 fd00::3'])
})

test('Endpoints: ready and not ready addresses in one subset for the same ports, none of leaving pods', () => {
  const pods = [pod(2), pod(1), pod(3, { ready: false }), pod(4, { deleting: true })]
  const { subsets, truncated } = planSubsets(service(), pods)
  assert.equal(truncated, false)
  assert.deepEqual(
    subsets.map((s) => [s.addresses?.map((a) => a.ip), s.notReadyAddresses?.map((a) => a.ip), s.ports]),
    [[['10.0.0.1', '10.0.0.2'], ['10.0.0.3'], [{ name: 'http', port: 8080, protocol: 'TCP' }]]],
  )
})

test('pods of nodes that are not there are left out, unless whatever there is is published', () => {
  const stray = { ...pod(2), spec: { ...pod(2).spec, nodeName: 'gone' } }
  const homeless = { ...pod(3), spec: { containers: pod(3).spec.containers } }
  const pods = [pod(1), stray, homeless]
  const addresses = (spec: Partial<ServiceSpec>) => {
    const { create, skipped } = planSlices({ service: service(spec), pods, slices: [], nodeOf })
    const names = create.flatMap(({ endpoints = [] }) => endpoints.map(({ targetRef }) => targetRef?.name))
    return [names.toSorted(), skipped.map(({ metadata }) => metadata.name)]
  }
  assert.deepEqual(addresses({}), [['p1'], ['p2', 'p3']])
  assert.deepEqual(addresses({ publishNotReadyAddresses: true }), [['p1', 'p2', 'p3'], []])
})

test('how many endpoints a slice holds can be set', () => {
  const pods = [1, 2, 3, 4, 5].map((n) => pod(n))
  const { create } = planSlices({ service: service(), pods, slices: [], nodeOf, maxEndpoints: 2 })
  assert.deepEqual(
    create.map(({ endpoints }) => endpoints?.length),
    [2, 2, 1],
  )
})
