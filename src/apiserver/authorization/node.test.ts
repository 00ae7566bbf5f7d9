import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { RequestAttributes } from '../request.ts'
import { NodeAuthorizer } from './node.ts'

const NODE = { name: 'system:node:n1', groups: ['system:nodes'], extra: {} }
const OTHER = { name: 'system:node:n2', groups: ['system:nodes'], extra: {} }

const pod = {
  metadata: { name: 'p', namespace: 'a', uid: '1', resourceVersion: '1', creationTimestamp: '' },
  spec: {
    nodeName: 'n1',
    serviceAccountName: 'bot',
    containers: [
      {
        name: 'c',
        image: 'i',
        envFrom: [{ secretRef: { name: 'env' } }],
        env: [{ name: 'E', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k' } } }],
      },
    ],
    volumes: [
      { name: 'v', secret: { secretName: 'vol' } },
      { name: 'd', persistentVolumeClaim: { claimName: 'claim' } },
    ],
  },
} as unknown as Pod

function authorizer(): NodeAuthorizer {
  return new NodeAuthorizer({
    nodeRules: () => [{ verbs: ['create'], apiGroups: [''], resources: ['events'] }],
    relations: {
      claim: () => undefined,
      volume: (name) => (name === 'pv' ? ({ spec: { claimRef: { namespace: 'a', name: 'claim' } } } as never) : undefined),
      attachmentNode: () => undefined,
      sliceNode: () => undefined,
    },
  })
}

function ask(
  of: NodeAuthorizer,
  user: typeof NODE,
  verb: string,
  resource: string,
  more: Partial<RequestAttributes> = {},
): { allowed: boolean; reason: string } | undefined {
  const [name = '', subresource = ''] = resource.split('/')
  return of.authorize({ user, verb, group: '', version: 'v1', resource: name, subresource, namespace: 'a', name: '', path: '', ...more })
}

test('a node reads what its pods use, and only while they are there', () => {
  const node = authorizer()
  node.podChanged(undefined, pod)
  for (const [resource, name] of [
    ['secrets', 'env'],
    ['secrets', 'vol'],
    ['configmaps', 'cm'],
    ['persistentvolumeclaims', 'claim'],
    ['serviceaccounts', 'bot'],
    ['pods', 'p'],
  ] as const) {
    assert.equal(ask(node, NODE, 'get', resource, { name })?.allowed, true, `${resource}/${name}`)
    assert.equal(ask(node, OTHER, 'get', resource, { name })?.allowed, false, `${resource}/${name} from another node`)
  }
  assert.equal(ask(node, NODE, 'get', 'persistentvolumes', { name: 'pv', namespace: '' })?.allowed, true)
  assert.equal(ask(node, NODE, 'get', 'secrets', { name: 'env', namespace: 'b' })?.allowed, false)
  assert.equal(ask(node, NODE, 'create', 'serviceaccounts/token', { name: 'bot' })?.allowed, true)
  assert.deepEqual(ask(node, NODE, 'get', 'secrets', { name: 'none' }), {
    allowed: false,
    reason: "no relationship found between node 'n1' and this object",
  })
  node.podChanged(pod, undefined)
  assert.equal(ask(node, NODE, 'get', 'secrets', { name: 'env' })?.allowed, false)
})

test('a node lists only its own pods and writes only what a kubelet writes', () => {
  const node = authorizer()
  assert.equal(ask(node, NODE, 'list', 'pods', { fieldSelector: 'spec.nodeName=n1' })?.allowed, true)
  assert.equal(ask(node, NODE, 'list', 'pods', { fieldSelector: 'spec.nodeName=n2' })?.allowed, false)
  assert.equal(ask(node, NODE, 'list', 'pods')?.reason, 'can only list/watch pods with spec.nodeName field selector')
  assert.equal(ask(node, NODE, 'patch', 'pods/status', { name: 'p' })?.allowed, true)
  assert.equal(ask(node, NODE, 'patch', 'pods', { name: 'p' })?.allowed, false)
  assert.equal(ask(node, NODE, 'get', 'nodes', { name: 'n2' })?.allowed, false)
  assert.equal(ask(node, NODE, 'create', 'events')?.allowed, true)
  const lease = { group: 'coordination.k8s.io', namespace: 'kube-node-lease' }
  assert.equal(ask(node, NODE, 'update', 'leases', { ...lease, name: 'n1' })?.allowed, true)
  assert.equal(ask(node, NODE, 'update', 'leases', { ...lease, name: 'n2' })?.allowed, false)
})

test('who is no node is for others to decide on', () => {
  assert.equal(ask(authorizer(), { name: 'system:node:n1', groups: [] as string[], extra: {} }, 'get', 'secrets', { name: 'x' }), undefined)
})
