import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '../../base/logger.ts'
import { isStaticPod, mirroredHash } from '../pods/origin.ts'
import { hashOf, mirrorPodOf, readManifests } from './manifests.ts'

const options = { nodeName: 'node', nowMs: 0, log: silentLogger }
const manifest = (name: string, image: string): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { containers: [{ name: 'main', image }] } })

test('manifests become pods of the node; their uid follows from what they say', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'manifests-'))
  t.after(() => rm(directory, { recursive: true }))
  const write = (file: string, text: string): Promise<void> => writeFile(join(directory, file), text)
  await write('a.yaml', manifest('a', 'x:1'))
  await write('.hidden.yaml', manifest('hidden', 'x:1'))
  await write('map.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n')
  await write('broken.yaml', '{')
  const first = await readManifests(directory, new Map(), options)
  const [pod] = [...first.values()]
  assert.ok(pod && first.size === 1)
  assert.deepEqual([pod.metadata.name, pod.metadata.namespace, pod.spec.nodeName], ['a-node', 'default', 'node'])
  assert.equal(pod.spec.restartPolicy, 'Always')
  assert.ok(isStaticPod(pod) && mirroredHash(pod) === undefined)

  assert.equal([...(await readManifests(directory, first, options)).values()][0], pod, 'the same file is the same pod')
  await write('a.yaml', manifest('a', 'x:2'))
  const second = await readManifests(directory, first, options)
  assert.notEqual([...second.values()][0]?.metadata.uid, pod.metadata.uid)
  await write('a.yaml', '{half writ')
  assert.deepEqual(await readManifests(directory, second, options), second, 'a file that cannot be read is what it was')
})

test('a manifest whose names would lead out of their directories is not used', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'manifests-'))
  t.after(() => rm(directory, { recursive: true }))
  const metadata = { name: 'a' }
  const spec = { containers: [{ name: 'main', image: 'x:1' }] }
  const hostile = [
    { metadata: { ...metadata, uid: '../../../etc' }, spec },
    { metadata: { name: '../a' }, spec },
    { metadata: { ...metadata, namespace: '..' }, spec },
    { metadata, spec: { containers: [{ name: '../../x', image: 'x:1' }] } },
    { metadata, spec: { ...spec, volumes: [{ name: '..', emptyDir: {} }] } },
  ]
  for (const [n, pod] of hostile.entries())
    await writeFile(join(directory, `${n}.json`), JSON.stringify({ apiVersion: 'v1', kind: 'Pod', ...pod }))
  assert.equal((await readManifests(directory, new Map(), options)).size, 0)
})

test('a manifest that the API would not take, or that needs something of the API, is not used', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'manifests-'))
  t.after(() => rm(directory, { recursive: true }))
  const told: string[] = []
  const log = { ...silentLogger, warn: (_: string, fields?: object) => void told.push(String((fields as { error: string }).error)) }
  const [env, name] = [(from: object) => ({ env: [{ name: 'A', valueFrom: from }] }), 'x']
  const cases: [object, string][] = [
    [{ containers: [] }, 'invalid pod: [spec.containers: Required value]'],
    [{ serviceAccountName: name }, 'static pods may not reference serviceaccounts'],
    [{ imagePullSecrets: [{ name }] }, 'static pods may not reference secrets'],
    [{ containers: [{ name, image: name, ...env({ configMapKeyRef: { name, key: 'k' } }) }] }, 'static pods may not reference configmaps'],
    [{ volumes: [{ name, secret: { secretName: name } }] }, 'static pods may not reference secrets'],
    [{ volumes: [{ name, persistentVolumeClaim: { claimName: name } }] }, 'static pods may not reference persistentvolumeclaims'],
    [{ volumes: [{ name, csi: { driver: 'd.example' } }] }, 'static pods may not reference csidrivers (via CSI volumes)'],
  ]
  for (const [spec, why] of cases) {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: { containers: [{ name: 'main', image: 'x:1' }], ...spec } }
    await writeFile(join(directory, 'a.json'), JSON.stringify(pod))
    assert.equal((await readManifests(directory, new Map(), { ...options, log })).size, 0)
    assert.equal(told.at(-1), `Error: ${why}`)
  }
  const volumes = [
    { name, projected: { sources: [{ downwardAPI: { items: [{ path: 'n', fieldRef: { fieldPath: 'metadata.name' } }] } }] } },
  ]
  const fine = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: { containers: [{ name: 'main', image: 'x:1' }], volumes } }
  await writeFile(join(directory, 'a.json'), JSON.stringify(fine))
  assert.equal((await readManifests(directory, new Map(), options)).size, 1)
})

test('a mirror pod carries the hash of what it shows', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'manifests-'))
  t.after(() => rm(directory, { recursive: true }))
  await writeFile(join(directory, 'a.json'), manifest('a', 'x:1'))
  const [pod] = [...(await readManifests(directory, new Map(), options)).values()]
  assert.ok(pod)
  const mirror = mirrorPodOf(pod, undefined)
  assert.equal(mirror.metadata.annotations?.['kubernetes.io/config.mirror'], hashOf(pod))
  assert.equal(mirror.metadata.uid, undefined)
})
