import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../../api/kinds/core/v1.ts'
import type { Device, DeviceClaim, DeviceClass, ResourceClaim, ResourceSlice } from '../../api/kinds/resource/v1.ts'
import { compileDeviceSelector, selectsDevice } from '../../cel/deviceSelector.ts'
import { allocate, type Taken } from './allocator.ts'
import { takenBy } from './claims.ts'
import { newestSlices, poolsOn } from './pools.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const NODE: Node = { metadata: { ...META, uid: 'n', name: 'n', labels: { rack: '1' } }, spec: {} }
const CLASSES = new Map<string, DeviceClass>([['any', { metadata: { ...META, uid: 'any', name: 'any' }, spec: {} }]])

function slice(devices: Device[], spec: Partial<ResourceSlice['spec']> = {}): ResourceSlice {
  return {
    metadata: { ...META, uid: 's', name: 's' },
    spec: { driver: 'd', nodeName: 'n', pool: { name: 'pool', generation: 1, resourceSliceCount: 1 }, devices, ...spec },
  }
}

const claim = (devices: DeviceClaim): ResourceClaim => ({ metadata: { ...META, uid: 'c', name: 'c', namespace: 'ns' }, spec: { devices } })

const FREE: Taken = { devices: new Set(), capacity: new Map() }

/** The devices of each claim, by request; undefined where there are none. */
function devicesFor(claims: readonly ResourceClaim[], slices: readonly ResourceSlice[], taken: Taken = FREE): string[][] | undefined {
  const results = allocate(claims, {
    node: NODE,
    pools: poolsOn(NODE, newestSlices(slices)),
    taken,
    classes: CLASSES,
    selects: ({ cel }, { driver, device }) =>
      cel !== undefined && selectsDevice(compileDeviceSelector(cel.expression), { driver, ...device }),
  })
  return results?.map(({ devices }) => (devices?.results ?? []).map(({ request, device }) => `${request}=${device}`))
}

const ask = (name: string, more: object = {}): NonNullable<DeviceClaim['requests']>[number] => ({
  name,
  exactly: { deviceClassName: 'any', allocationMode: 'ExactCount', count: 1, ...more },
})
const gpu = (name: string, model: string): Device => ({ name, attributes: { model: { string: model } } })
const TWO = slice([gpu('a', 'small'), gpu('b', 'big')])
const selects = (expression: string): object => ({ selectors: [{ cel: { expression } }] })

const CASES: readonly [what: string, devices: DeviceClaim, slices: ResourceSlice[], expected: string[] | undefined, taken?: Taken][] = [
  ['the first one', { requests: [ask('r')] }, [TWO], ['r=a']],
  ['what the selector says', { requests: [ask('r', selects('device.attributes["d"].model == "big"'))] }, [TWO], ['r=b']],
  ['not what is taken', { requests: [ask('r')] }, [TWO], ['r=b'], { devices: new Set(['d/pool/a']), capacity: new Map() }],
  ['two of one request', { requests: [ask('r', { count: 2 })] }, [TWO], ['r=a', 'r=b']],
  ['three of two', { requests: [ask('r', { count: 3 })] }, [TWO], undefined],
  ['all of them', { requests: [ask('r', { allocationMode: 'All' })] }, [TWO], ['r=a', 'r=b']],
  [
    'a first choice that leaves nothing for the second is taken back',
    { requests: [ask('any'), ask('small', selects('device.attributes["d"].model == "small"'))] },
    [TWO],
    ['any=b', 'small=a'],
  ],
  [
    'devices alike in an attribute',
    { requests: [ask('r', { count: 2 })], constraints: [{ matchAttribute: 'd/model' }] },
    [slice([gpu('a', 'x'), gpu('b', 'y'), gpu('c', 'x')])],
    ['r=a', 'r=c'],
  ],
  [
    'the first alternative that can be had',
    {
      requests: [
        {
          name: 'r',
          firstAvailable: [
            { name: 'huge', deviceClassName: 'any', selectors: [{ cel: { expression: 'device.attributes["d"].model == "huge"' } }] },
            { name: 'plain', deviceClassName: 'any' },
          ],
        },
      ],
    },
    [TWO],
    ['r/plain=a'],
  ],
  [
    'a tainted device only where it is tolerated',
    { requests: [ask('r')] },
    [slice([{ name: 'bad', taints: [{ key: 'k', effect: 'NoSchedule' }] }])],
    undefined,
  ],
  [
    'a tolerated taint',
    { requests: [ask('r', { tolerations: [{ key: 'k', operator: 'Exists' }] })] },
    [slice([{ name: 'bad', taints: [{ key: 'k', effect: 'NoSchedule' }] }])],
    ['r=bad'],
  ],
  [
    'with administrator’s access what is taken',
    { requests: [ask('r', { adminAccess: true })] },
    [slice([gpu('a', 'x')])],
    ['r=a'],
    { devices: new Set(['d/pool/a']), capacity: new Map() },
  ],
  [
    'nothing of a pool that is being published',
    { requests: [ask('r')] },
    [slice([gpu('a', 'x')], { pool: { name: 'pool', generation: 1, resourceSliceCount: 2 } })],
    undefined,
  ],
  [
    'in the order of the pools’ names, those whose devices have to be made ready last',
    { requests: [ask('r', { count: 3 })] },
    [
      slice([{ name: 'slow', bindingConditions: ['ready'] }], { pool: { name: 'a', generation: 1, resourceSliceCount: 1 } }),
      slice([gpu('second', 'x')], { pool: { name: 'c', generation: 1, resourceSliceCount: 1 } }),
      slice([gpu('first', 'x')], { pool: { name: 'b', generation: 1, resourceSliceCount: 1 } }),
    ],
    ['r=first', 'r=second', 'r=slow'],
  ],
  [
    'an expression that would fail on a device behind the one that is taken',
    { requests: [ask('r', selects('device.attributes["d"].model == "small"'))] },
    [slice([gpu('a', 'small'), { name: 'b' }])],
    ['r=a'],
  ],
  [
    'a device of its own only with the capacity that is asked for',
    { requests: [ask('r', { capacity: { requests: { memory: '5Gi' } } })] },
    [
      slice([
        { name: 'none' },
        { name: 'small', capacity: { memory: { value: '4Gi' } } },
        { name: 'big', capacity: { memory: { value: '8Gi' } } },
      ]),
    ],
    ['r=big'],
  ],
  [
    'administrators get nothing twice, and others nothing that they look at',
    { requests: [ask('a', { adminAccess: true }), ask('b', { adminAccess: true }), ask('c')] },
    [slice([gpu('x', 'x'), gpu('y', 'x'), gpu('z', 'x')])],
    ['a=x', 'b=y', 'c=z'],
  ],
  ['nothing of another node', { requests: [ask('r')] }, [slice([gpu('a', 'x')], { nodeName: 'other' })], undefined],
]
for (const [what, devices, slices, expected, taken] of CASES)
  test(`devices: ${what}`, () => assert.deepEqual(devicesFor([claim(devices)], slices, taken), expected && [expected]))

test('partitions of one device share its counters', () => {
  const part = (name: string, memory: string): Device => ({
    name,
    consumesCounters: [{ counterSet: 'gpu', counters: { memory: { value: memory } } }],
  })
  const pool = { name: 'pool', generation: 1, resourceSliceCount: 2 }
  const slices = [
    slice([part('half-1', '20Gi'), part('half-2', '20Gi'), part('whole', '40Gi')], { pool }),
    slice([], { pool, sharedCounters: [{ name: 'gpu', counters: { memory: { value: '40Gi' } } }] }),
  ]
  assert.deepEqual(devicesFor([claim({ requests: [ask('r', { count: 2 })] })], slices), [['r=half-1', 'r=half-2']])
  const taken = { devices: new Set(['d/pool/half-1', 'd/pool/half-2']), capacity: new Map() }
  assert.equal(devicesFor([claim({ requests: [ask('r')] })], slices, taken), undefined)
})

test('a device that may be shared is, as long as its capacity lasts', () => {
  const shared: Device = {
    name: 'nic',
    allowMultipleAllocations: true,
    capacity: { bandwidth: { value: '10', requestPolicy: { default: '1' } } },
  }
  const request = claim({ requests: [ask('r', { capacity: { requests: { bandwidth: '6' } } })] })
  const first = allocate([request], {
    node: NODE,
    pools: poolsOn(NODE, [[slice([shared])]]),
    taken: FREE,
    classes: CLASSES,
    selects: () => true,
  })
  assert.deepEqual(first?.[0]?.devices?.results?.[0]?.consumedCapacity, { bandwidth: '6' })
  assert.equal(devicesFor([request], [slice([shared])], takenBy([first?.[0]])), undefined)
  assert.deepEqual(devicesFor([claim({ requests: [ask('r')] })], [slice([shared])], takenBy([first?.[0]])), [['r=nic']])
})

test('an expression that fails on a device is told with whose it is', () => {
  const request = claim({ requests: [ask('r', selects('device.attributes["d"].exists'))] })
  assert.throws(() => devicesFor([request], [TWO]), {
    name: 'Error',
    message: /^claim ns\/c: selector #0: CEL runtime error: no such key: exists/,
  })
})

test('without a policy a request takes what it asks for', () => {
  const shared: Device = { name: 'nic', allowMultipleAllocations: true, capacity: { memory: { value: '10Gi' } } }
  const request = claim({ requests: [ask('r', { capacity: { requests: { memory: '4Gi' } } })] })
  const pools = poolsOn(NODE, [[slice([shared])]])
  const first = allocate([request], { node: NODE, pools, taken: FREE, classes: CLASSES, selects: () => true })
  assert.deepEqual(first?.[0]?.devices?.results?.[0]?.consumedCapacity, { memory: '4Gi' })
  assert.deepEqual(devicesFor([request], [slice([shared])], takenBy([first?.[0]])), [['r=nic']])
})

const WRONG: readonly [what: string, devices: DeviceClaim, slices: ResourceSlice[], message: string][] = [
  [
    'all of a pool that is being published',
    { requests: [{ name: 'r', firstAvailable: [{ name: 'x', deviceClassName: 'any', allocationMode: 'All' }] }] },
    [slice([gpu('a', 'x')], { pool: { name: 'pool', generation: 1, resourceSliceCount: 2 } })],
    'claim ns/c, request x: asks for all devices, but resource pool d/pool is currently being updated',
  ],
  [
    'more than a claim may have',
    { requests: [ask('r', { count: 33 })] },
    [TWO],
    'claim ns/c: number of requested devices 33 exceeds the claim limit of 32',
  ],
  [
    'all of them, which are not alike',
    { requests: [ask('r', { allocationMode: 'All' })], constraints: [{ matchAttribute: 'd/model' }] },
    [TWO],
    'claim ns/c, request r: cannot add device d/pool/b because a claim constraint would not be satisfied',
  ],
  [
    'a pool with a device twice',
    { requests: [ask('r')] },
    [slice([gpu('a', 'x'), gpu('a', 'x')])],
    'invalid resource pools were encountered',
  ],
]
for (const [what, devices, slices, message] of WRONG)
  test(`devices: ${what}`, () => assert.throws(() => devicesFor([claim(devices)], slices), { message }))

test('where an allocation can be used, and with which configuration', () => {
  const opaque = (driver: string) => ({ opaque: { driver, parameters: {} as never } })
  const classes = new Map<string, DeviceClass>([
    ['any', { metadata: { ...META, uid: 'any', name: 'any' }, spec: { config: [opaque('class')] } }],
  ])
  const request = claim({ requests: [ask('a'), ask('b')], config: [{ requests: ['a', 'b'], ...opaque('claim') }] })
  const everywhere = slice([gpu('x', 'x'), { name: 'y', bindsToNode: true }], { allNodes: true })
  const { nodeName: _, ...spec } = everywhere.spec
  const pools = poolsOn(NODE, [[{ ...everywhere, spec }]])
  const [allocation] = allocate([request], { node: NODE, pools, taken: FREE, classes, selects: () => true }) ?? []
  assert.deepEqual(allocation?.nodeSelector?.nodeSelectorTerms, [
    { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] },
  ])
  const config = (allocation?.devices?.config ?? []).map(({ source, requests }) => `${source} ${requests?.join()}`)
  assert.deepEqual(config, ['FromClass a,b', 'FromClaim a,b', 'FromClaim a,b'])
})
