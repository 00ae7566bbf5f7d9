import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { StatusError } from '../../api/status.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionRequest } from './admission.ts'
import { createNodeDeclaredFeatureValidator, createPodResizeValidator } from './podResize.ts'

type Spec = Partial<Pod['spec']>

function readerOf(features: string[], os?: string): ObjectReader {
  const labels = os ? { 'kubernetes.io/os': os } : {}
  const node = { metadata: { name: 'n', labels }, status: { allocatable: { cpu: '2', memory: '1Gi' }, declaredFeatures: features } }
  return {
    get: (_: unknown, __: string, name: string) => (name === 'n' ? (node as unknown as Node) : undefined),
  } as unknown as ObjectReader
}

const pod = (cpu: string, more: Spec = {}): Pod =>
  ({
    metadata: { name: 'p' },
    spec: { nodeName: 'n', containers: [{ name: 'c', resources: { requests: { cpu } } }], ...more },
  }) as unknown as Pod

interface Given {
  before: Pod
  after: Pod
  subresource?: string
  features?: string[]
  os?: string
}

/** What was refused and the reason of its cause; undefined where nothing was. */
async function refused({ before, after, subresource = 'resize', features = [], os }: Given): Promise<[string, string?] | undefined> {
  const reader = readerOf(features, os)
  const request = {
    operation: 'UPDATE',
    resource: { group: '', resource: 'pods' },
    subresource,
    name: 'p',
    object: after,
    oldObject: before,
  } as unknown as AdmissionRequest
  try {
    for (const create of [createNodeDeclaredFeatureValidator, createPodResizeValidator]) await create(reader).validate?.(request)
    return undefined
  } catch (error) {
    assert.ok(error instanceof StatusError)
    const [cause] = error.status.details?.causes ?? []
    return [error.message.replace(/^.*forbidden: /, ''), ...(cause?.reason ? [cause.reason] : [])] as [string, string?]
  }
}

test('a resize beyond what the node has for pods is refused at once', async () => {
  const lack = "node didn't have enough allocatable resources: cpu, requested: "
  const before = pod('1')
  assert.equal(await refused({ before, after: pod('2') }), undefined)
  assert.deepEqual(await refused({ before, after: pod('2001m') }), [`${lack}2001, allocatable: 2000`, 'NodeCapacity'])
  const overhead = { overhead: { cpu: '250m' } }
  assert.deepEqual(await refused({ before: pod('1', overhead), after: pod('2', overhead) }), [
    `${lack}2250, allocatable: 2000`,
    'NodeCapacity',
  ])
  assert.equal(await refused({ before: pod('9'), after: pod('9') }), undefined)
  assert.equal(await refused({ before, after: pod('9'), subresource: 'status' }), undefined)
  assert.equal(await refused({ before, after: pod('9', { nodeName: '' }) }), undefined)
  assert.deepEqual(await refused({ before, after: pod('1500m', { nodeName: 'gone' }) }), ['node "gone" not found'])
  assert.equal((await refused({ before, after: pod('1500m'), os: 'windows' }))?.[1], 'UnsupportedPlatform')
})

test('a change that the node does not say it knows is refused', async () => {
  const whole = (cpu: string): Pod => pod('100m', { resources: { requests: { cpu } } })
  const init = (cpu: string, restartPolicy?: string): Pod =>
    pod('1', { initContainers: [{ name: 'i', image: 'i', resources: { requests: { cpu } }, ...(restartPolicy && { restartPolicy }) }] })
  const missing = (feature: string): [string] => [`pod update requires features ${feature} which are not available on node "n"`]
  const [ofPod, ofInit] = ['InPlacePodLevelResourcesVerticalScaling', 'InPlacePodVerticalScalingInitContainers']
  assert.deepEqual(await refused({ before: whole('1'), after: whole('2') }), missing(ofPod))
  assert.equal(await refused({ before: whole('1'), after: whole('2'), features: [ofPod] }), undefined)
  assert.deepEqual(await refused({ before: init('1'), after: init('2') }), missing(ofInit))
  assert.equal(await refused({ before: init('1'), after: init('2'), features: [ofInit] }), undefined)
  assert.equal(await refused({ before: init('100m', 'Always'), after: init('200m', 'Always') }), undefined)
})
