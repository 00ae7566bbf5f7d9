import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROVISIONER } from '../../api/hostPathClass.ts'
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/kinds/core/v1.ts'
import type { StorageClass } from '../../api/kinds/storage/v1.ts'
import { BIND_COMPLETED } from './bindingWrites.ts'
import { planClaim, SELECTED_NODE, STORAGE_PROVISIONER, type ClaimFacts } from './claimPlan.ts'

const meta = (name: string) => ({ name, uid: `u-${name}`, resourceVersion: '1', creationTimestamp: '' })

interface ClaimOptions {
  annotations?: Record<string, string>
  phase?: string
  spec?: Partial<PersistentVolumeClaim['spec']>
}

function claim({ annotations = {}, phase = 'Pending', spec = {} }: ClaimOptions = {}): PersistentVolumeClaim {
  return {
    metadata: { ...meta('c'), namespace: 'n', annotations },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'k', resources: { requests: { storage: '1Gi' } }, ...spec },
    status: { phase },
  }
}

function volume(name: string, spec: Partial<PersistentVolume['spec']> = {}): PersistentVolume {
  const common = { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, storageClassName: 'k' }
  return { metadata: meta(name), spec: { ...common, ...spec }, status: { phase: 'Available' } }
}

const ours = { claimRef: { name: 'c', namespace: 'n', uid: 'u-c' } }
const theirs = { claimRef: { name: 'other', namespace: 'n', uid: 'u-other' } }
const on = (rack: string): Partial<PersistentVolume['spec']> => ({
  nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'rack', operator: 'In', values: [rack] }] }] } },
})
const node: Node = { metadata: { ...meta('node'), labels: { rack: 'r1' } }, spec: {} }
const pod = (name: string): Pod => ({ metadata: { ...meta(name), namespace: 'n' }, spec: { containers: [] } })
const classOf = (provisioner: string, volumeBindingMode = 'Immediate'): StorageClass => ({
  metadata: meta('k'),
  provisioner,
  volumeBindingMode,
})
const by = (provisioner: string, options: ClaimOptions = {}): PersistentVolumeClaim =>
  claim({ ...options, annotations: { [STORAGE_PROVISIONER]: provisioner, ...options.annotations } })

const LATE = 'WaitForFirstConsumer'
const named = { spec: { volumeName: 'v' } }
const completed = { ...named, annotations: { [BIND_COMPLETED]: 'yes' } }
const chosen = { annotations: { [SELECTED_NODE]: 'node' } }

const CASES: readonly (readonly [name: string, facts: Partial<ClaimFacts>, steps: string])[] = [
  ['a volume that fits', { volumes: [volume('large', { capacity: { storage: '2Gi' } }), volume('small')] }, 'bind small'],
  ['a volume that is kept for it', { volumes: [volume('free'), volume('kept', { ...ours, storageClassName: 'x' })] }, 'bind kept'],
  ['no class', { claim: claim({ spec: { storageClassName: '' } }) }, 'Pending, FailedBinding'],
  ['a class that is not there', {}, 'Pending, ProvisioningFailed'],

  [
    'no class, before there was a default one',
    { claim: claim({ spec: { storageClassName: undefined } }), defaultClass: classOf('p') },
    'class k',
  ],
  [
    'no class, and a volume without one',
    {
      claim: claim({ spec: { storageClassName: undefined } }),
      defaultClass: classOf('p'),
      volumes: [volume('v', { storageClassName: '' })],
    },
    'bind v',
  ],
  ['no class, on purpose', { claim: claim({ spec: { storageClassName: '' } }), defaultClass: classOf('p') }, 'Pending, FailedBinding'],

  ['its pod is to choose', { storageClass: classOf('p', LATE), volumes: [volume('v')] }, 'Pending, WaitForFirstConsumer'],
  ['its pod has not chosen yet', { storageClass: classOf('p', LATE), waiting: [pod('a'), pod('b')] }, 'Pending, WaitForPodScheduled'],
  ['its pod chose', { claim: claim(chosen), storageClass: classOf('p', LATE), volumes: [volume('v')] }, 'bind v'],
  [
    'volumes that the chosen node cannot reach',
    { claim: claim(chosen), node, storageClass: classOf('p', LATE), volumes: [volume('a', on('r2')), volume('b', on('r1'))] },
    'bind b',
  ],

  ['who provisions is named first', { storageClass: classOf('p.example') }, 'Pending, named p.example'],
  ['who provisions in another one’s place', { storageClass: classOf('kubernetes.io/gce-pd') }, 'Pending, named pd.csi.storage.gke.io'],
  ['somebody else provisions', { claim: by('p.example'), storageClass: classOf('p.example') }, 'Pending, ExternalProvisioning'],
  ['nobody provisions', { storageClass: classOf('kubernetes.io/no-provisioner') }, 'Pending, ProvisioningFailed'],
  ['we provision', { claim: by(PROVISIONER), storageClass: classOf(PROVISIONER) }, 'Pending, provision'],
  ['we do not here', { claim: by(PROVISIONER), storageClass: classOf(PROVISIONER), isProvisioner: false }, 'Pending, ExternalProvisioning'],
  [
    'what we cannot',
    { claim: by(PROVISIONER, { spec: { volumeMode: 'Block' } }), storageClass: classOf(PROVISIONER) },
    'Pending, ProvisioningFailed',
  ],

  ['it names a volume', { claim: claim(named), named: volume('v') }, 'bind v'],
  ['it names its own', { claim: claim(named), named: volume('v', ours) }, 'bind v'],
  ['it names one that is not there yet', { claim: claim(named) }, 'Pending'],
  [
    'it names one that is too small',
    { claim: claim(named), named: volume('v', { capacity: { storage: '1Mi' } }) },
    'VolumeMismatch, Pending',
  ],
  ['it names another one’s', { claim: claim(named), named: volume('v', theirs) }, 'FailedBinding, Pending'],
  ['its volume is gone', { claim: claim(completed) }, 'ClaimLost, Lost'],
  ['its volume is gone, as it knows', { claim: claim({ ...completed, phase: 'Lost' }) }, 'Lost'],
  ['its volume is another one’s', { claim: claim(completed), named: volume('v', theirs) }, 'ClaimMisbound, Lost'],
  ['its volume has lost its name', { claim: claim(completed), named: volume('v', { capacity: { storage: '1Mi' } }) }, 'bind v'],
]

for (const [name, given, expected] of CASES)
  test(`a claim: ${name}`, () => {
    const nothing = {
      claim: claim(),
      named: undefined,
      volumes: [],
      storageClass: undefined,
      defaultClass: undefined,
      node: undefined,
      waiting: [],
    }
    const steps = planClaim({ ...nothing, isProvisioner: true, ...given })
    const shown = steps.map((step) => {
      if (step.kind === 'bind') return `bind ${step.volume.metadata.name}`
      if (step.kind === 'nameProvisioner') return `named ${step.provisioner}`
      if (step.kind === 'setPhase') return step.phase
      if (step.kind === 'assignClass') return `class ${step.name}`
      return step.kind === 'tell' ? step.reason : step.kind
    })
    assert.equal(shown.join(', '), expected)
  })
