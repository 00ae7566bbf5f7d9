import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec } from '../../api/kinds/core/v1.ts'
import type { CSIStorageCapacity } from '../../api/kinds/storage/v1.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { Lister } from '../../client/informer.ts'
import { planNodeVolumes, waitingClaims } from './nodeVolumes.ts'

const meta = (name: string) => ({ name, uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' })
const lister = <T extends KubeObject>(objects: T[]): Lister<T> => ({
  get: (key) => objects.find(({ metadata }) => metadata.name === key),
  list: () => objects,
  byIndex: () => [],
})

const NODE: Node = { metadata: { ...meta('n'), labels: { zone: 'a' } }, spec: {} }
const inZone = (zone: string): Partial<PersistentVolumeSpec> => ({
  nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: [zone] }] }] } },
})
const byName = (name: string): Partial<PersistentVolumeSpec> => ({
  nodeAffinity: { required: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }] } },
})

function volume(name: string, storage: string, spec: Partial<PersistentVolumeSpec> = {}): PersistentVolume {
  return {
    metadata: meta(name),
    spec: { capacity: { storage }, accessModes: ['ReadWriteOnce'], storageClassName: 'byHand', ...spec },
    status: { phase: 'Available' },
  }
}
function claim(name: string, storage: string, storageClassName = 'byHand', selectedNode = ''): PersistentVolumeClaim {
  return {
    metadata: {
      ...meta(name),
      namespace: 'ns',
      ...(selectedNode && { annotations: { 'volume.kubernetes.io/selected-node': selectedNode } }),
    },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName, resources: { requests: { storage } } },
  }
}
const bound = (volumeName: string): PersistentVolumeClaim => ({ ...claim('bound', '1Gi'), spec: { volumeName } })
const capacity = (text: string, more: Partial<CSIStorageCapacity> = {}): CSIStorageCapacity => ({
  metadata: { ...meta(text), namespace: 'ns' },
  storageClassName: 'counted',
  capacity: text,
  nodeTopology: {},
  ...more,
})

interface Case {
  bound?: PersistentVolumeClaim[]
  delayed?: PersistentVolumeClaim[]
  volumes?: PersistentVolume[]
  capacities?: CSIStorageCapacity[]
  given?: string
  expected: string
}

const NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
const WRONG_NODE = "node(s) didn't match PersistentVolume's node affinity"
const NO_SPACE = 'node(s) did not have enough free storage'
const reservedFor = (name: string): Partial<PersistentVolumeSpec> => ({ claimRef: { name, namespace: 'ns' } })

const CASES: Record<string, Case> = {
  'a bound volume that is there': { bound: [bound('v')], volumes: [volume('v', '1Gi', inZone('a'))], expected: '' },
  'a bound volume of another zone': { bound: [bound('v')], volumes: [volume('v', '1Gi', inZone('b'))], expected: WRONG_NODE },
  'fields of nodes are not looked at': { bound: [bound('v')], volumes: [volume('v', '1Gi', byName('other'))], expected: '' },
  'a bound volume that is gone': {
    bound: [bound('v')],
    expected: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
  },
  'the smallest that can be reached': {
    delayed: [claim('c', '1Gi')],
    volumes: [volume('far', '1Gi', inZone('b')), volume('big', '9Gi'), volume('near', '2Gi', inZone('a'))],
    expected: 'c=near',
  },
  'small claims first': {
    delayed: [claim('big', '5Gi'), claim('small', '1Gi')],
    volumes: [volume('x', '9Gi'), volume('y', '6Gi')],
    expected: 'small=y big=x',
  },
  'one that is reserved, and no other': {
    delayed: [claim('c', '1Gi')],
    volumes: [volume('mine', '9Gi', { ...reservedFor('c'), ...inZone('b') }), volume('free', '1Gi')],
    expected: NO_VOLUME,
  },
  'not one that a decision gave to another claim': {
    delayed: [claim('c', '1Gi')],
    volumes: [volume('v', '1Gi')],
    given: 'v',
    expected: NO_VOLUME,
  },
  'all that is wrong is told': {
    bound: [bound('v')],
    delayed: [claim('c', '1Gi')],
    volumes: [volume('v', '1Gi', inZone('b'))],
    expected: `${WRONG_NODE} ${NO_VOLUME}`,
  },
  'a new volume where the class makes some': { delayed: [claim('c', '1Gi', 'made')], expected: 'c+' },
  'where its node was chosen before': { delayed: [claim('c', '1Gi', 'made', 'n')], expected: 'c+' },
  'but not elsewhere': { delayed: [claim('c', '1Gi', 'made', 'other')], expected: NO_VOLUME },
  'not beyond the allowed topologies': { delayed: [claim('c', '1Gi', 'elsewhere')], expected: NO_VOLUME },
  'where there is space': { delayed: [claim('c', '3Gi', 'counted')], capacities: [capacity('4Gi')], expected: 'c+' },
  'not where there is too little': { delayed: [claim('c', '5Gi', 'counted')], capacities: [capacity('4Gi')], expected: NO_SPACE },
  'a volume has a greatest size': {
    delayed: [claim('c', '3Gi', 'counted')],
    capacities: [capacity('4Gi', { maximumVolumeSize: '2Gi' })],
    expected: NO_SPACE,
  },
}

const FACTS = {
  classes: lister([
    { metadata: meta('byHand'), provisioner: 'kubernetes.io/no-provisioner' },
    { metadata: meta('made'), provisioner: 'maker' },
    { metadata: meta('counted'), provisioner: 'counting' },
    {
      metadata: meta('elsewhere'),
      provisioner: 'maker',
      allowedTopologies: [{ matchLabelExpressions: [{ key: 'zone', values: ['b'] }] }],
    },
  ]),
  drivers: lister([{ metadata: meta('counting'), spec: { storageCapacity: true } }]),
}

for (const [what, { bound: alreadyBound = [], delayed = [], volumes = [], capacities = [], given, expected }] of Object.entries(CASES))
  test(`volumes on a node: ${what}`, () => {
    const facts = { ...FACTS, volumes: lister(volumes), capacities: lister(capacities) }
    const waiting = waitingClaims(delayed, facts)
    const plan = planNodeVolumes({ bound: alreadyBound, waiting }, facts, NODE, ({ metadata }) => metadata.name === given)
    const told =
      'problems' in plan
        ? plan.problems
        : [
            ...plan.bindings.map((b) => `${b.claim.metadata.name}=${b.volume.metadata.name}`),
            ...plan.provisioned.map((c) => `${c.metadata.name}+`),
          ]
    assert.equal(told.join(' '), expected)
  })
