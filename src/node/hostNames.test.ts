import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostNames } from './hostNames.ts'

const all = (address: string): object => ({
  'host.minicube.internal': address,
  'host.minikube.internal': address,
  'host.docker.internal': address,
})

const tables: readonly [what: string, hosts: string, want: object][] = [
  [
    'what the engine writes',
    '127.0.0.1\tlocalhost\n172.18.0.1\thost.minicube.internal\n172.18.0.1\thost.minikube.internal\n',
    all('172.18.0.1'),
  ],
  ['several names on a line, comments', '10.0.0.1 a host.docker.internal b # host.minicube.internal\n', all('10.0.0.1')],
  [
    'a name of its own address',
    '10.0.0.1 host.minicube.internal\n10.0.0.2 host.docker.internal\n',
    { ...all('10.0.0.1'), 'host.docker.internal': '10.0.0.2' },
  ],
  ['the first line of a name counts', '10.0.0.1 host.minicube.internal\n10.0.0.9 host.minicube.internal\n', all('10.0.0.1')],
  ['no address of version 6', 'fd00::1 host.minicube.internal\n10.0.0.1 host.minicube.internal\n', all('10.0.0.1')],
  ['no such name', '127.0.0.1 localhost\n', {}],
  ['an empty file', '', {}],
]
for (const [what, hosts, want] of tables) test(`names of the host: ${what}`, () => assert.deepEqual(hostNames(hosts), want))
