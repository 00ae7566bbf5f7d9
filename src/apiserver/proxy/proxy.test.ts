import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { checkProxyable } from './addresses.ts'
import { containerOf } from './containers.ts'
import { kubeletLogQuery } from './logOptions.ts'
import { backendsOf, parseReference } from './proxyTargets.ts'

function pod(containers: string[], init: string[] = []): Pod {
  return {
    metadata: { name: 'p' },
    spec: { containers: containers.map((name) => ({ name })), ...(init.length > 0 && { initContainers: init.map((name) => ({ name })) }) },
  } as unknown as Pod
}

test('the container has to be clear', () => {
  assert.equal(containerOf(pod(['a']), ''), 'a')
  assert.equal(containerOf(pod(['a'], ['i']), 'i'), 'i')
  assert.throws(() => containerOf(pod(['a', 'b']), ''), /a container name must be specified for pod p, choose one of: \[a b\]/)
  assert.throws(() => containerOf(pod(['a', 'b'], ['i']), ''), /choose one of: \[a b\] or one of the init containers: \[i\]/)
  assert.throws(() => containerOf(pod(['a']), 'x'), /container x is not valid for pod p/)
})

test('log options are checked and passed on', () => {
  assert.equal(
    String(kubeletLogQuery(new URLSearchParams('follow=true&previous=false&tailLines=0&timestamps=1'), 'p')),
    'follow=true&timestamps=true&tailLines=0',
  )
  for (const [query, message] of [
    ['tailLines=-1', /tailLines: Invalid value: -1: must be greater than or equal to 0/],
    ['sinceSeconds=0', /sinceSeconds: Invalid value: 0: must be greater than 0/],
    ['sinceSeconds=5&sinceTime=2021-01-01T00:00:00Z', /at most one of `sinceTime` or `sinceSeconds` may be specified/],
    ['tailLines=abc', /strconv\.ParseInt: parsing "abc": invalid syntax/],
  ] as const)
    assert.throws(() => kubeletLogQuery(new URLSearchParams(query), 'p'), message)
})

test('the server connects nobody with itself', () => {
  for (const address of [
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '169.254.169.254',
    '::1',
    '::',
    'fe80::1',
    '::ffff:127.0.0.1',
    '224.0.0.1',
    'localhost',
    '',
  ]) {
    assert.throws(() => checkProxyable(address), /address not allowed/, address)
  }
  for (const address of ['10.244.0.5', '172.17.0.2', 'fd00::5', '::ffff:10.0.0.1']) checkProxyable(address)
})

test('references of proxied things', () => {
  assert.deepEqual(parseReference('s', 'service'), { scheme: '', name: 's', port: '' })
  assert.deepEqual(parseReference('s:web', 'service'), { scheme: '', name: 's', port: 'web' })
  assert.deepEqual(parseReference('https:s:8443', 'service'), { scheme: 'https', name: 's', port: '8443' })
  assert.deepEqual(parseReference('https:s:', 'service'), { scheme: 'https', name: 's', port: '' })
  for (const bad of ['ftp:s:21', 'a:b:c:d', ':x']) assert.throws(() => parseReference(bad, 'service'), /invalid service request/, bad)
})

test('backends are the ready endpoints of the port', () => {
  const slices = [
    {
      ports: [
        { name: 'web', port: 8080 },
        { name: 'admin', port: 9090 },
      ],
      endpoints: [
        { addresses: ['10.0.0.1'], conditions: { ready: true } },
        { addresses: ['10.0.0.2'], conditions: { ready: false } },
      ],
    },
  ] as unknown as EndpointSlice[]
  assert.deepEqual(backendsOf(slices, 'web'), [{ host: '10.0.0.1', port: 8080 }])
  assert.deepEqual(backendsOf(slices, 'none'), [])
})
