import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fullImageName, imageIdIn, parseImageName } from './imageNames.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

describe('full names', () => {
  const cases: [name: string, full: string][] = [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest'],
    ['grafana/grafana:12', 'docker.io/grafana/grafana:12'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['registry.k8s.io/pause:3.10.1', 'registry.k8s.io/pause:3.10.1'],
    [`busybox@${DIGEST}`, `docker.io/library/busybox@${DIGEST}`],
    [`busybox:1.36@${DIGEST}`, `docker.io/library/busybox:1.36@${DIGEST}`],
    ['a__b/c-d.e:T_1', 'docker.io/a__b/c-d.e:T_1'],
  ]
  for (const [name, full] of cases) test(name, () => assert.equal(fullImageName(name), full))
})

describe('names that are none', () => {
  const cases: [name: string, why: string][] = [
    ['', 'invalid reference format'],
    ['Busybox', 'invalid reference format: repository name must be lowercase'],
    ['example.com/Upper', 'invalid reference format: repository name must be lowercase'],
    ['a:b:c', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    ['a@sha256:short', 'invalid reference format'],
    ['-a', 'invalid reference format'],
    ['a:', 'invalid reference format'],
    [`docker.io/${'a/'.repeat(130)}a`, 'repository name must not be more than 255 characters'],
  ]
  for (const [name, why] of cases) test(JSON.stringify(name.slice(0, 30)), () => assert.equal(parseImageName(name), why))
})

test('ids, with and without their algorithm, but no shortened ones', () => {
  assert.deepEqual([imageIdIn(DIGEST), imageIdIn('a'.repeat(64)), imageIdIn('aaaa')], [DIGEST, DIGEST, undefined])
})
