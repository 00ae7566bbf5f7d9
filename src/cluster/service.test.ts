import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isReachable, servicePorts } from './service.ts'

const service = {
  metadata: { name: 'hello', namespace: 'default' },
  spec: {
    type: 'NodePort',
    clusterIP: '10.96.1.2',
    ports: [
      { name: 'http', port: 80, nodePort: 30_080 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ],
  },
}

test('where a Service answers', () => {
  const urlOf = (nodeReachable: boolean, publish: string[]): string | undefined =>
    servicePorts(service, { nodeIP: '192.168.201.10', profile: { publish }, nodeReachable })[0]?.url
  assert.equal(urlOf(true, []), 'http://192.168.201.10:30080')
  assert.equal(urlOf(false, ['8080:30080']), 'http://127.0.0.1:8080')
  assert.equal(urlOf(false, ['0.0.0.0:8080:30080']), 'http://127.0.0.1:8080')
  assert.equal(urlOf(false, ['8080:30080/udp']), undefined)
  assert.equal(urlOf(false, []), undefined)
})

test('a tunnel leads to the cluster address; UDP and headless Services have none', () => {
  const facts = { nodeIP: 'x', profile: { publish: [] }, nodeReachable: false }
  assert.deepEqual(
    servicePorts(service, facts).map((port) => port.target),
    [{ host: '10.96.1.2', port: 80 }],
  )
  assert.deepEqual(servicePorts({ ...service, spec: { ...service.spec, clusterIP: 'None' } }, facts), [])
})

test('a node is reachable where this machine is in its network', () => {
  const bridge = {
    address: '192.168.201.1',
    netmask: '255.255.255.0',
    family: 'IPv4',
    mac: '',
    internal: false,
    cidr: '192.168.201.1/24',
  } as const
  assert.equal(isReachable('192.168.201.10', { br: [bridge] }), true)
  assert.equal(isReachable('192.168.202.10', { br: [bridge] }), false)
  assert.equal(isReachable('', { br: [bridge] }), false)
})
