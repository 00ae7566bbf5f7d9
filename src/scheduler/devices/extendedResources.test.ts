import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import type { DeviceClass, ResourceClaim } from '../../api/kinds/resource/v1.ts'
import { claimTemplate, classResolver, extendedRequests, madeFor } from './extendedResources.ts'

const GPU = 'gpu.example.com/a'

function deviceClass(name: string, second: number, extendedResourceName?: string): DeviceClass {
  const metadata = { name, uid: name, resourceVersion: '1', creationTimestamp: `2026-01-01T00:00:0${second}Z` }
  return { metadata, spec: { ...(extendedResourceName && { extendedResourceName }) } } as DeviceClass
}

const resolver = (...classes: DeviceClass[]) =>
  classResolver({ get: (name) => classes.find(({ metadata }) => metadata.name === name), list: () => classes })

const wants = (name: string, count: string, more: object = {}): Container =>
  ({ name, resources: { requests: { cpu: '1', [GPU]: count } }, ...more }) as Container

const pod = (containers: Container[], initContainers: Container[] = []): Pod =>
  ({ metadata: { name: 'p', namespace: 'ns', uid: 'u' }, spec: { containers, initContainers } }) as unknown as Pod

test('a resource leads to the newest class that stands for it, and to every class by its own name', () => {
  const classOf = resolver(deviceClass('old', 1, GPU), deviceClass('b', 2, GPU), deviceClass('a', 2, GPU), deviceClass('plain', 1))
  assert.equal(classOf(GPU)?.metadata.name, 'a')
  assert.equal(classOf('deviceclass.resource.kubernetes.io/plain')?.metadata.name, 'plain')
  for (const name of ['cpu', 'other.example.com/x', 'deviceclass.resource.kubernetes.io/absent']) assert.equal(classOf(name), undefined)
})

test('each container asks for its devices; what runs before others takes theirs first', () => {
  const classOf = resolver(deviceClass('c', 1, GPU))
  const sidecar = { restartPolicy: 'Always' }
  const cases: [string, Pod, string[], string[]][] = [
    ['two containers', pod([wants('a', '1'), wants('b', '2')]), ['container-0-request-1×1', 'container-1-request-1×2'], ['a 0', 'b 1']],
    ['an init container reuses', pod([wants('a', '2')], [wants('i', '1')]), ['container-1-request-1×2'], ['a 1', 'i 1']],
    [
      'one that needs more',
      pod([wants('a', '1')], [wants('i', '3')]),
      ['container-0-request-1×2', 'container-1-request-1×1'],
      ['a 1', 'i 1', 'i 0'],
    ],
    [
      'the largest of several',
      pod([wants('a', '1')], [wants('i', '2'), wants('j', '4')]),
      ['container-1-request-1×3', 'container-2-request-1×1'],
      ['a 2', 'i 2', 'i 1', 'j 2', 'j 1'],
    ],
    [
      'a sidecar keeps its own',
      pod([wants('a', '1')], [wants('s', '1', sidecar)]),
      ['container-0-request-1×1', 'container-1-request-1×1'],
      ['s 0', 'a 1'],
    ],
    ['nothing', pod([wants('a', '0')]), [], []],
  ]
  for (const [name, of, requests, mappings] of cases) {
    const found = extendedRequests(of, [GPU], classOf)
    assert.deepEqual(
      found.requests.map(({ name: request, exactly }) => `${request}×${exactly?.count}`),
      requests,
      name,
    )
    assert.deepEqual(
      found.mappings.map(({ containerName, requestName }) => `${containerName} ${requestName.split('-')[1]}`),
      mappings,
      name,
    )
  }
})

test('the claim of a pod is found again by its owner', () => {
  const of = pod([])
  const template = claimTemplate(of)
  assert.equal(template.metadata.generateName, 'p-extended-resources-')
  assert.deepEqual(template.metadata.ownerReferences, [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u', controller: true }])
  const made = { ...template, metadata: { ...template.metadata, name: 'made' } } as ResourceClaim
  assert.equal(madeFor(of, [made])?.metadata.name, 'made')
  assert.equal(madeFor({ ...of, metadata: { ...of.metadata, uid: 'other' } }, [made]), undefined)
})
