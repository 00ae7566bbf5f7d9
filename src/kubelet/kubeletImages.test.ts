import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pods, secrets } from '../api/kinds/core/v1.ts'
import type { Pod } from '../api/kinds/core/v1.ts'
import { newPod, phase, waitingReason, world } from './testing/world.ts'

test('a missing image is shown as ErrImagePull, then ImagePullBackOff, and pulled once it is there', async (t) => {
  const w = await world(t)
  w.api.put(pods, newPod('pull', { containers: [{ name: 'main', image: 'registry.test/app:1' }] }))
  await w.until('pull error', () => waitingReason(w, 'pull') === 'ErrImagePull')
  await w.clock.advance(3000)
  await w.until('back off', () => waitingReason(w, 'pull') === 'ImagePullBackOff')
  w.runtime.pullable.set('registry.test/app:1', {
    id: 'sha256:app',
    repoTags: ['registry.test/app:1'],
    repoDigests: ['registry.test/app@sha256:1'],
    sizeBytes: 9,
  })
  await w.clock.advance(8000)
  await w.until('running', () => phase(w, 'pull') === 'Running')
  assert.equal(w.pod('pull').status?.containerStatuses?.[0]?.imageID, 'registry.test/app@sha256:1')
  assert.equal(w.runtime.calls.filter((c) => c === 'pull registry.test/app:1').length, 2)
})

test('pull secrets that are not there are told of', async (t) => {
  const w = await world(t)
  const imagePullSecrets = [{ name: 'gone' }, { name: '' }, { name: 'lost' }]
  w.api.put(pods, newPod('pull', { imagePullSecrets, containers: [{ name: 'main', image: 'registry.test/app:1' }] }))
  await w.until('pull error', () => waitingReason(w, 'pull') === 'ErrImagePull')
  assert.ok(
    w.events.includes(
      'Warning FailedToRetrieveImagePullSecret pull: Unable to retrieve some image pull secrets (gone, lost); attempting to pull the image may not succeed.',
    ),
  )
})

const PRIVATE = 'registry.test/private:1'

function podWith(name: string, imagePullPolicy: string, secret?: string): Pod {
  const containers = [{ name: 'main', image: PRIVATE, imagePullPolicy }]
  return newPod(name, { containers, ...(secret && { imagePullSecrets: [{ name: secret }] }) })
}

test('an image that was pulled with a secret is not had without it, by the next kubelet neither', async (t) => {
  const w = await world(t)
  const credentials = { auths: { 'registry.test': { username: 'someone', password: 'secret' } } }
  const data = { '.dockerconfigjson': Buffer.from(JSON.stringify(credentials)).toString('base64') }
  for (const name of ['own', 'copy'])
    w.api.put(secrets, { metadata: { name, namespace: 'default', uid: name, creationTimestamp: '', resourceVersion: '' }, data })
  w.runtime.pullable.set(PRIVATE, { id: 'sha256:private', repoTags: [PRIVATE], repoDigests: [], sizeBytes: 9 })
  w.runtime.guarded.set(PRIVATE, 'secret')
  w.api.put(pods, podWith('first', 'IfNotPresent', 'own'))
  await w.until('running', () => phase(w, 'first') === 'Running')
  await w.restart()
  w.api.put(pods, podWith('copy', 'Never', 'copy'))
  w.api.put(pods, podWith('without', 'IfNotPresent'))
  w.api.put(pods, podWith('never', 'Never'))
  await w.until('running', () => phase(w, 'copy') === 'Running')
  await w.until('refused', () => waitingReason(w, 'without') === 'ErrImagePull' && waitingReason(w, 'never') === 'ErrImageNeverPull')
  assert.ok(w.events.includes(`Normal Pulled copy: Container image "${PRIVATE}" already present on machine and can be accessed by the pod`))
  assert.ok(w.events.includes(`Warning ErrImageNeverPull never: Container image "${PRIVATE}" is not present with pull policy of Never`))
  assert.equal(w.runtime.calls.filter((call) => call === `pull ${PRIVATE}`).length, 2)
})

test('with NeverVerify an image is everybody’s once it is there', async (t) => {
  const w = await world(t, { imagePullCredentialsVerificationPolicy: 'NeverVerify' })
  w.runtime.pullable.set(PRIVATE, { id: 'sha256:private', repoTags: [PRIVATE], repoDigests: [], sizeBytes: 9 })
  w.api.put(pods, podWith('first', 'Always'))
  await w.until('running', () => phase(w, 'first') === 'Running')
  w.runtime.guarded.set(PRIVATE, 'secret')
  w.api.put(pods, podWith('second', 'Never'))
  await w.until('running', () => phase(w, 'second') === 'Running')
})

test('what the node’s own credentials brought is every pod’s of the node', async (t) => {
  const w = await world(t)
  w.runtime.pullable.set(PRIVATE, { id: 'sha256:private', repoTags: [PRIVATE], repoDigests: [], sizeBytes: 9 })
  w.runtime.guarded.set(PRIVATE, 'secret')
  await writeFile(join(w.rootDir, 'config.json'), JSON.stringify({ auths: { 'registry.test': { username: 'node', password: 'secret' } } }))
  w.api.put(pods, podWith('first', 'Always'))
  await w.until('running', () => phase(w, 'first') === 'Running')
  await rm(join(w.rootDir, 'config.json'))
  w.api.put(pods, podWith('second', 'Never'))
  await w.until('running', () => phase(w, 'second') === 'Running')
})
