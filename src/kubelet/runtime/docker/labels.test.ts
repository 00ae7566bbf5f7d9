import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SandboxFacts, containerLabels, engineNameOf, readContainerLabels, readSandboxLabels, sandboxLabels } from './labels.ts'
import { CONTAINER, POD } from './testConfigs.ts'

const SANDBOX: SandboxFacts = {
  ...POD,
  attempt: 2,
  network: 'pod',
  pidMode: 'container',
  ipcMode: 'pod',
  cgroupParent: '/kubepods/podu1',
  ips: ['10.244.0.5'],
  portMappings: [{ hostPort: 80, containerPort: 8080, protocol: 'TCP' }],
}

test('a sandbox is read as it was written', () => {
  const labels = sandboxLabels(SANDBOX)
  assert.deepEqual(readSandboxLabels(labels), SANDBOX)
  assert.equal(readContainerLabels(labels), undefined)
})

test("one in the node's network has no addresses", () => {
  assert.deepEqual(readSandboxLabels(sandboxLabels({ ...SANDBOX, network: 'node', ips: [] }))?.ips, [])
})

test('a container is read as it was written, its annotations too', () => {
  const labels = containerLabels(POD, 'sandbox', { ...CONTAINER, annotations: { 'a/b': 'c', __proto__x: '' } })
  assert.deepEqual(readContainerLabels(labels), {
    ...POD,
    sandboxId: 'sandbox',
    name: 'main',
    attempt: 3,
    image: 'busybox',
    imageId: 'sha256:abc',
    tty: false,
    annotations: { 'a/b': 'c', __proto__x: '' },
  })
  assert.equal(readSandboxLabels(labels), undefined)
})

test("others' containers are nothing to us", () => {
  assert.deepEqual([readSandboxLabels({ a: 'b' }), readContainerLabels({})], [undefined, undefined])
})

test('names are as the Docker shim made them', () => assert.equal(engineNameOf(POD, 'main', 3), 'k8s_main_p_default_u1_3'))
