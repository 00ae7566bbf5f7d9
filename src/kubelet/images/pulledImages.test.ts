import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { KUBELET_DEFAULTS } from '../configuration.ts'
import { KubeletMeasures } from '../metrics/measures.ts'
import type { Image } from '../runtime/runtime.ts'
import { PulledImages } from './pulledImages.ts'
import { recordName, type PullSecret } from './pullRecords.ts'
import { mustVerify, type VerificationPolicy } from './verificationPolicy.ts'

const policies: [VerificationPolicy['imagePullCredentialsVerificationPolicy'], string, boolean, boolean][] = [
  ['NeverVerify', 'r.test/a:1', true, false],
  ['NeverVerifyPreloadedImages', 'r.test/a:1', true, true],
  ['NeverVerifyPreloadedImages', 'r.test/a:1', false, false],
  ['AlwaysVerify', 'r.test/a:1', false, true],
  ['NeverVerifyAllowlistedImages', 'r.test/a:1', false, true],
  ['NeverVerifyAllowlistedImages', 'r.test/listed:1', true, false],
  ['NeverVerifyAllowlistedImages', 'r.test/listed@sha256:00', true, false],
  ['NeverVerifyAllowlistedImages', 'r.test/listed/deeper', true, true],
  ['NeverVerifyAllowlistedImages', 'r.test/team/a/b:1', true, false],
  ['NeverVerifyAllowlistedImages', 'r.test/teams/a', true, true],
]
for (const [policy, image, wasPulled, want] of policies)
  test(`${policy}: ${image} that was ${wasPulled ? 'pulled' : 'brought'} is ${want ? '' : 'not '}verified`, () => {
    const allowlist = ['r.test/listed', 'r.test/team/*']
    const given = { imagePullCredentialsVerificationPolicy: policy, preloadedImagesVerificationAllowlist: allowlist }
    assert.equal(mustVerify(given, image, wasPulled), want)
  })

const image = (id: string): Image => ({ id, repoTags: [], repoDigests: [], sizeBytes: 1 })
const secret = (name: string, of: Partial<PullSecret> = {}): PullSecret => ({
  namespace: 'n',
  name,
  uid: `uid-${name}`,
  credentialHash: `hash-${name}`,
  ...of,
})

interface Setup {
  /** What is there, by name. */
  there: Map<string, string>
  directory: string
  measures: KubeletMeasures
  start(policy?: Partial<VerificationPolicy>): PulledImages
  pull(images: PulledImages, name: string, id: string, by?: PullSecret): Promise<void>
}

async function setUp(t: TestContext): Promise<Setup> {
  const directory = await mkdtemp(join(tmpdir(), 'pulls-'))
  t.after(() => rm(directory, { recursive: true }))
  const there = new Map<string, string>()
  const clock = new FakeClock()
  const measures = new KubeletMeasures(clock)
  const runtime = {
    images: async () => [...there.values()].map(image),
    async imageStatus(name: string) {
      const id = there.get(name)
      return id === undefined ? undefined : image(id)
    },
  }
  return {
    there,
    directory,
    measures,
    start: (policy = {}) =>
      new PulledImages({ directory, policy: { ...KUBELET_DEFAULTS, ...policy }, runtime, measures, clock, log: silentLogger }),
    async pull(images, name, id, by) {
      const end = await images.begin(name)
      there.set(name, id)
      await end({ image: image(id), secret: by })
    },
  }
}

const may = (images: PulledImages, name: string, id: string, ...secrets: PullSecret[]): Promise<boolean> =>
  images.mayUse(image(id), name, async () => secrets)

const uses: [string, string, PullSecret[], boolean][] = [
  ['without a secret', 'r.test/private:1', [], false],
  ['with another secret', 'r.test/private:1', [secret('other')], false],
  ['with the same secret', 'r.test/private:1', [secret('own')], true],
  [
    'with the same credentials in another secret',
    'r.test/private:1',
    [secret('other'), secret('copy', { credentialHash: 'hash-own' })],
    true,
  ],
  ['with the secret when its credentials have changed', 'r.test/private:1', [secret('own', { credentialHash: 'new' })], true],
  ['with a secret of the same name that was made anew', 'r.test/private:1', [secret('own', { uid: 'new', credentialHash: 'new' })], false],
  ['by another tag', 'r.test/private:2', [secret('own')], true],
  ['by the name of another repository', 'r.test/mirror:1', [secret('own')], false],
  ['that was pulled without credentials', 'public:1', [], true],
  ['that was pulled without credentials, by its full name', 'docker.io/library/public:1', [], true],
]
for (const [what, name, secrets, want] of uses)
  test(`an image ${what} is ${want ? '' : 'not '}had, by the next kubelet as well`, async (t) => {
    const { start, pull, measures } = await setUp(t)
    const images = start()
    await pull(images, 'r.test/private:1', 'sha256:private', secret('own'))
    await pull(images, 'public:1', 'sha256:public')
    const id = name.includes('public') ? 'sha256:public' : 'sha256:private'
    for (const each of [images, start()]) assert.equal(await may(each, name, id, ...secrets), want)
    const [row] = measures.metrics().find((one) => one.name === 'kubelet_imagemanager_image_mustpull_checks_total')?.samples ?? []
    assert.deepEqual(row, { labels: { result: want ? 'credentialRecordFound' : 'mustAuthenticate' }, value: 2 })
  })

test('what fits is noted, and a secret with other credentials no more by its old ones', async (t) => {
  const { start, pull } = await setUp(t)
  const images = start()
  await pull(images, 'r.test/a', 'sha256:a', secret('own'))
  assert.ok(await may(images, 'r.test/a', 'sha256:a', secret('own', { credentialHash: 'changed' })))
  assert.ok(await may(start(), 'r.test/a', 'sha256:a', secret('copy', { credentialHash: 'changed' })))
  assert.ok(!(await may(start(), 'r.test/a', 'sha256:a', secret('old', { credentialHash: 'hash-own' }))))
  await pull(images, 'r.test/a', 'sha256:a')
  assert.ok(await may(start(), 'r.test/a', 'sha256:a'), 'the registry gives it to everybody now')
})

test('an image that was brought is everybody’s and stays, pulled before, since or never', async (t) => {
  const { start, pull, there } = await setUp(t)
  const images = start()
  await pull(images, 'r.test/before', 'sha256:before', secret('own'))
  await images.broughtByHand('sha256:before')
  there.set('r.test/since', 'sha256:since')
  await pull(images, 'r.test/since', 'sha256:since', secret('own'))
  there.set('mine:dev', 'sha256:same')
  await pull(images, 'r.test/same', 'sha256:same', secret('own'))
  for (const each of [images, start()])
    for (const which of ['before', 'since', 'same', 'never']) {
      assert.ok(await may(each, `r.test/${which}`, `sha256:${which}`), which)
      assert.ok(!(await each.canBePulled(`sha256:${which}`)), which)
    }
  const strict = start({ imagePullCredentialsVerificationPolicy: 'AlwaysVerify' })
  assert.ok(!(await may(strict, 'r.test/since', 'sha256:since')))
  assert.ok(await may(strict, 'r.test/since', 'sha256:since', secret('own')))
  assert.ok(!(await may(strict, 'r.test/never', 'sha256:never', secret('own'))))
})

test('what a pull brought is not what was there before another one that began meanwhile; what was loaded meanwhile is', async (t) => {
  const { start, there } = await setUp(t)
  const images = start()
  const first = await images.begin('r.test/a')
  there.set('r.test/a', 'sha256:a').set('r.test/b', 'sha256:b')
  const second = await images.begin('r.test/again')
  await images.broughtByHand('sha256:b')
  await second({ image: image('sha256:a'), secret: secret('other') })
  await first({ image: image('sha256:a'), secret: secret('own') })
  assert.ok(await images.canBePulled('sha256:a'))
  await (
    await images.begin('r.test/b')
  )({ image: image('sha256:b'), secret: undefined })
  assert.ok(!(await images.canBePulled('sha256:b')))
})

test('an image that was brought, removed and then pulled is a pulled one', async (t) => {
  const { start, pull, there } = await setUp(t)
  const images = start()
  there.set('r.test/a', 'sha256:a')
  await pull(images, 'r.test/a', 'sha256:a', secret('own'))
  there.delete('r.test/a')
  await pull(images, 'r.test/a', 'sha256:a', secret('own'))
  assert.ok(!(await may(images, 'r.test/a', 'sha256:a')))
  assert.ok(await images.canBePulled('sha256:a'))
})

test('an image is nobody’s while it is pulled, and after a pull that nobody saw ending', async (t) => {
  const { start, there, directory, pull } = await setUp(t)
  const images = start()
  there.set('r.test/brought', 'sha256:brought')
  for (const name of ['r.test/came', 'r.test/failed']) await images.begin(name)
  const gone = await images.begin('r.test/gone')
  await images.begin('r.test/brought')
  there.set('r.test/came', 'sha256:came').set('r.test/gone', 'sha256:gone')
  assert.ok(!(await may(images, 'r.test/came', 'sha256:came')))
  await gone()
  assert.ok(!(await may(images, 'r.test/gone', 'sha256:gone')), 'a pull that ended too late to be waited for')
  const next = start()
  assert.ok(!(await may(next, 'r.test/came', 'sha256:came', secret('own'))))
  assert.ok(await next.canBePulled('sha256:came'))
  assert.ok(await may(next, 'r.test/brought', 'sha256:brought'))
  assert.ok(await may(next, 'r.test/failed', 'sha256:loaded'), 'what did not come may be loaded')
  assert.deepEqual(await readdir(join(directory, 'pulling')), [])
  await pull(next, 'r.test/came', 'sha256:came', secret('own'))
  assert.ok(await may(next, 'r.test/came', 'sha256:came', secret('own')))
})

test('a record that cannot be read lets nobody use the image until it is pulled', async (t) => {
  const { start, pull, directory } = await setUp(t)
  await pull(start(), 'r.test/a', 'sha256:a')
  const file = join(directory, 'pulled', recordName('sha256:a'))
  assert.deepEqual(Object.keys(JSON.parse(await readFile(file, 'utf8')) as object).slice(0, 2), ['kind', 'apiVersion'])
  await writeFile(file, '{"kind":')
  const images = start()
  assert.ok(!(await may(images, 'r.test/a', 'sha256:a')))
  assert.ok(!(await images.canBePulled('sha256:a')), 'it may have been brought')
  await pull(images, 'r.test/a', 'sha256:a')
  assert.ok(await may(start(), 'r.test/a', 'sha256:a'))
})

test('images that are gone are forgotten, those that came meanwhile are not', async (t) => {
  const { start, pull, directory } = await setUp(t)
  const images = start()
  for (const id of ['a', 'b']) await pull(images, `r.test/${id}`, `sha256:${id}`)
  await images.forgetAllBut([], 0)
  assert.equal((await readdir(join(directory, 'pulled'))).length, 2)
  await images.forgetAllBut(['sha256:a'], 1e15)
  assert.deepEqual(await readdir(join(directory, 'pulled')), [recordName('sha256:a')])
})
