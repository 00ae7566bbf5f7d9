import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service } from '../../api/kinds/core/v1.ts'
import type { EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { readyAddresses } from './serviceResolver.ts'

const meta = (name: string): Service['metadata'] => ({ name, namespace: 'apps', uid: 'u', resourceVersion: '1' }) as Service['metadata']

const service = (spec: Partial<Service['spec']>): Service => ({
  metadata: meta('hook'),
  spec: { type: 'ClusterIP', ports: [{ name: 'https', port: 443 }], ipFamilies: ['IPv4'], ...spec },
})

const slice = (addressType: string, port: number, endpoints: [address: string, ready?: boolean][], name = 'https'): EndpointSlice => ({
  metadata: meta('hook-x'),
  addressType,
  ports: [{ name, port }],
  endpoints: endpoints.map(([address, ready]) => ({ addresses: [address], ...(ready !== undefined && { conditions: { ready } }) })),
})

test('ready addresses of the port, of the first family where it has some', () => {
  const v4 = slice('IPv4', 8443, [['10.0.0.1', true], ['10.0.0.2', false], ['10.0.0.3']])
  const v6 = slice('IPv6', 8443, [['fd00::1', true]])
  const other = slice('IPv4', 9000, [['10.0.0.9', true]], 'metrics')
  assert.deepEqual(readyAddresses(service({}), 443, [v6, other, v4]), [
    { host: '10.0.0.1', port: 8443 },
    { host: '10.0.0.3', port: 8443 },
  ])
  assert.deepEqual(readyAddresses(service({}), 443, [v6]), [{ host: 'fd00::1', port: 8443 }])
  assert.deepEqual(readyAddresses(service({}), 443, [other]), [])
})

test('what cannot be routed to is said in the words of the API server', () => {
  assert.throws(() => readyAddresses(service({ type: 'ExternalName', externalName: 'example.com' }), 443, []), {
    message: 'unsupported service type "ExternalName"',
  })
  assert.throws(() => readyAddresses(service({}), 8080, []), { message: 'no service port 8080 found for service "hook"' })
})
