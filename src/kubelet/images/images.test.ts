import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Pod, Secret } from '../../api/kinds/core/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { KubeletMeasures } from '../metrics/measures.ts'
import { FakeRuntime } from '../testing/fakeRuntime.ts'
import { credentialsFor } from './credentials.ts'
import { registryOf, repositoryOf } from './imageNames.ts'
import { ImagePuller, pullPolicy } from './imagePuller.ts'

const secret = (auths: object): Secret =>
  ({
    metadata: { name: 's', namespace: 'n', uid: 'u' },
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') },
  }) as unknown as Secret

const registries: [string, string][] = [
  ['busybox', 'docker.io'],
  ['library/busybox:1', 'docker.io'],
  ['ghcr.io/a/b:1', 'ghcr.io'],
  ['localhost:5000/x', 'localhost:5000'],
  ['localhost/x', 'localhost'],
]
for (const [image, want] of registries) test(`the registry of ${image} is ${want}`, () => assert.equal(registryOf(image), want))

const repositories: [string, string][] = [
  ['busybox:1', 'docker.io/library/busybox'],
  ['docker.io/library/busybox@sha256:00', 'docker.io/library/busybox'],
  ['a/b', 'docker.io/a/b'],
  ['localhost:5000/x:1@sha256:00', 'localhost:5000/x'],
]
for (const [image, want] of repositories) test(`${image} is of ${want}`, () => assert.equal(repositoryOf(image), want))

test('credentials fit by host and path, the most specific first', () => {
  const auth = Buffer.from('u:p:q').toString('base64')
  const secrets = [
    secret({
      'ghcr.io': { username: 'a', password: 'b' },
      'https://ghcr.io/team/': { auth },
      'quay.io': { username: 'x' },
      '*.azurecr.io': { username: 'z' },
    }),
  ]
  assert.deepEqual(
    credentialsFor('ghcr.io/team/app:1', secrets).map(({ auth: { username, password } }) => [username, password]),
    [
      ['u', 'p:q'],
      ['a', 'b'],
    ],
  )
  assert.deepEqual(
    credentialsFor('my.azurecr.io/app', secrets).map((c) => c.auth.username),
    ['z'],
  )
  assert.deepEqual(
    credentialsFor('busybox', [secret({ 'https://index.docker.io/v1/': { username: 'hub' } })]).map((c) => c.auth.username),
    ['hub'],
  )
  for (const auths of [null, 7, { 'ghcr.io': null }, { 'ghcr.io': { username: 7 } }, { 'ghcr.io': { auth: {} } }])
    assert.deepEqual(credentialsFor('ghcr.io/app', [secret(auths as object)]), [])
  assert.deepEqual(credentialsFor('busybox', [{ data: { '.dockerconfigjson': 'bm90IGpzb24=' } } as unknown as Secret]), [])
})

test('the node’s credentials come after those of secrets, and are nobody’s secret', () => {
  const ofNode = { 'ghcr.io/team': { username: 'node', password: 'x' }, 'quay.io': { username: 'other' } }
  const found = credentialsFor('ghcr.io/team/app', [secret({ 'ghcr.io': { username: 'a', password: 'b' } })], ofNode)
  assert.deepEqual(
    found.map(({ auth, secret: from }) => [auth.username, from?.uid]),
    [
      ['a', 'u'],
      ['node', undefined],
    ],
  )
})

test('equal credentials have equal hashes, wherever they are used', () => {
  const hash = (auths: object) => credentialsFor('ghcr.io/app', [secret(auths)])[0]?.secret?.credentialHash
  const own = hash({ 'ghcr.io': { username: 'a', password: 'b' } })
  assert.equal(hash({ 'https://ghcr.io/v2/': { auth: Buffer.from('a:b').toString('base64') } }), own)
  assert.notEqual(hash({ 'ghcr.io': { username: 'a', password: 'c' } }), own)
})

const policies: [string, string | undefined, string][] = [
  ['x', undefined, 'Always'],
  ['x:latest', undefined, 'Always'],
  ['x:1', undefined, 'IfNotPresent'],
  ['h:5000/x', undefined, 'Always'],
  ['x@sha256:00', undefined, 'IfNotPresent'],
  ['x:1', 'Always', 'Always'],
]
for (const [image, policy, want] of policies) {
  test(`pull policy of ${image} (${policy ?? 'unset'}) is ${want}`, () =>
    assert.equal(pullPolicy({ name: 'c', image, ...(policy && { imagePullPolicy: policy }) }), want))
}

function setUp(maxParallel?: number) {
  const clock = new FakeClock()
  const runtime = new FakeRuntime(clock)
  const events: string[] = []
  const puller = new ImagePuller({
    runtime,
    clock,
    signal: new AbortController().signal,
    measures: new KubeletMeasures(clock),
    startTimes: { pulling: () => () => {} },
    onPulled: () => {},
    maxParallel,
    nodeCredentials: async () => ({}),
    pulledImages: { begin: async () => async () => {}, mayUse: async () => true },
    events: { record: (_, { reason, message }) => void events.push(`${reason}: ${message}`) },
  })
  const ensure = (image: string, uid = 'u', policy = 'IfNotPresent', signal = new AbortController().signal) =>
    puller.ensure({
      pod: { metadata: { name: 'p', namespace: 'n', uid }, spec: { containers: [] } } as unknown as Pod,
      container: { name: 'c', image, imagePullPolicy: policy },
      pullSecrets: async () => [],
      signal,
    })
  return { clock, runtime, events, ensure }
}

test('pods that want the same image share one pull', async () => {
  const { runtime, ensure } = setUp()
  runtime.pullable.set('x:1', { id: 'sha256:x', repoTags: ['x:1'], repoDigests: [], sizeBytes: 7 })
  await Promise.all([ensure('x:1', 'a'), ensure('x:1', 'b')])
  assert.deepEqual(runtime.calls, ['pull x:1'])
})

test('a pull ends when the last pod that waits for it is gone', async () => {
  const { runtime, ensure } = setUp()
  runtime.endless.add('x:1')
  const [first, second] = [new AbortController(), new AbortController()]
  const pulls = [first, second].map(({ signal }, n) => ensure('x:1', `u${n}`, 'Always', signal))
  await setImmediate()
  first.abort()
  await assert.rejects(pulls[0] as Promise<unknown>, { name: 'AbortError' })
  assert.deepEqual([...runtime.pulling], ['x:1'])
  second.abort()
  await assert.rejects(pulls[1] as Promise<unknown>, { name: 'AbortError' })
  await setImmediate()
  assert.deepEqual([...runtime.pulling], [])
})

test('pulls that do not end give their place to others', async () => {
  const { clock, runtime, ensure } = setUp()
  const names = ['a:1', 'b:1', 'c:1', 'd:1', 'e:1']
  const endless = names.map((name) => {
    runtime.endless.add(name)
    const gone = new AbortController()
    return { gone, pull: ensure(name, name, 'Always', gone.signal) }
  })
  runtime.pullable.set('x:1', { id: 'sha256:x', repoTags: ['x:1'], repoDigests: [], sizeBytes: 7 })
  const pulled = ensure('x:1')
  await setImmediate()
  assert.deepEqual([...runtime.pulling], names.slice(0, 4))
  await clock.advance(10_000)
  assert.equal((await pulled).id, 'sha256:x')
  assert.deepEqual([...runtime.pulling], names)
  for (const { gone, pull } of endless) {
    gone.abort()
    await assert.rejects(pull, { name: 'AbortError' })
  }
})

test('no more pulls than were allowed, however long they take; how long one waited is told', async () => {
  const { clock, runtime, events, ensure } = setUp(1)
  runtime.endless.add('a:1')
  runtime.pullable.set('x:1', { id: 'sha256:x', repoTags: ['x:1'], repoDigests: [], sizeBytes: 7 })
  const gone = new AbortController()
  const first = ensure('a:1', 'a', 'Always', gone.signal)
  await setImmediate()
  const second = ensure('x:1')
  await clock.advance(65_000)
  assert.deepEqual(runtime.calls, ['pull a:1'])
  gone.abort()
  await assert.rejects(first, { name: 'AbortError' })
  await second
  assert.equal(events.at(-1), 'Pulled: Successfully pulled image "x:1" in 0s (1m5s including waiting). Image size: 7 bytes.')
})

test('after a failure there is a pause that doubles', async () => {
  const { clock, runtime, events, ensure } = setUp()
  await assert.rejects(ensure('x:1'), { reason: 'ErrImagePull' })
  await assert.rejects(ensure('x:1'), {
    reason: 'ImagePullBackOff',
    message: 'Back-off pulling image "x:1": ErrImagePull: pull access denied for x:1',
  })
  await clock.advance(10_000)
  await assert.rejects(ensure('x:1'), { reason: 'ErrImagePull' })
  await clock.advance(19_000)
  await assert.rejects(ensure('x:1'), { reason: 'ImagePullBackOff' })
  assert.equal(runtime.calls.length, 2)
  assert.deepEqual(events.slice(0, 5), [
    'Pulling: Pulling image "x:1"',
    'Failed: Failed to pull image "x:1": pull access denied for x:1',
    'Failed: Error: ErrImagePull',
    'BackOff: Back-off pulling image "x:1"',
    'Failed: Error: ImagePullBackOff',
  ])
})

test('Never does not pull; names that are none are refused', async () => {
  const { runtime, ensure } = setUp()
  await assert.rejects(ensure('x:1', 'u', 'Never'), {
    reason: 'ErrImageNeverPull',
    message: 'Container image "x:1" is not present with pull policy of Never',
  })
  await assert.rejects(ensure('INVALID IMAGE'), { reason: 'InvalidImageName' })
  assert.deepEqual(runtime.calls, [])
})
