import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import { apiGroupDiscoveryList, apiResourceList } from './documents.ts'

const catalog = loadCatalog()

function hashOf(group: string, version: string, resource: string): string | undefined {
  const { resources } = apiResourceList(catalog, group, version) as { resources: { name: string; storageVersionHash?: string }[] }
  return resources.find(({ name }) => name === resource)?.storageVersionHash
}

test('a hash tells in which version objects are stored, whatever version is looked at', () => {
  assert.equal(hashOf('', 'v1', 'pods'), 'xPOwRZ+Yhw8=')
  assert.equal(hashOf('autoscaling', 'v1', 'horizontalpodautoscalers'), hashOf('autoscaling', 'v2', 'horizontalpodautoscalers'))
  assert.equal(hashOf('events.k8s.io', 'v1', 'events'), hashOf('', 'v1', 'events'))
  assert.notEqual(hashOf('apps', 'v1', 'deployments'), hashOf('apps', 'v1', 'replicasets'))
})

test('what is not stored has no hash', () => {
  assert.equal(hashOf('', 'v1', 'componentstatuses'), undefined)
  assert.equal(hashOf('', 'v1', 'pods/status'), undefined)
  assert.equal(hashOf('authorization.k8s.io', 'v1', 'subjectaccessreviews'), undefined)
})

test('aggregated discovery leaves the group of a built-in kind to the reader, and tells the one of a custom resource', () => {
  const responseKindOf = (group: string, version: string, custom: boolean): unknown => {
    const [first] = catalog.resources(group, version)
    const served = { groups: catalog.groups, resources: () => [{ ...first, ...(custom && { custom: {} }) }] } as unknown as typeof catalog
    const list = apiGroupDiscoveryList(served, [{ name: group, versions: [{ version }] }] as never, false) as {
      items: { versions: { resources: { responseKind: unknown }[] }[] }[]
    }
    return list.items[0]?.versions[0]?.resources[0]?.responseKind
  }
  assert.deepEqual(responseKindOf('apps', 'v1', false), { group: '', version: '', kind: 'ControllerRevision' })
  assert.deepEqual(responseKindOf('apps', 'v1', true), { group: 'apps', version: 'v1', kind: 'ControllerRevision' })
})
