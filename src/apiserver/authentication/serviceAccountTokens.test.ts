import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import type { ObjectMeta } from '../../api/kinds/meta/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { ServiceAccountTokens } from './serviceAccountTokens.ts'

const ISSUER = 'https://kubernetes.default.svc'

function keyPair(type: 'ec' | 'rsa'): { privateKeyPem: string; publicKeyPem: string } {
  const { privateKey, publicKey } =
    type === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  }
}

function setUp(
  keys = keyPair('ec'),
  trusted: string[] = [],
): {
  tokens: ServiceAccountTokens
  clock: FakeClock
  objects: Map<string, Partial<ObjectMeta>>
} {
  const clock = new FakeClock()
  const objects = new Map<string, Partial<ObjectMeta>>([
    ['serviceaccounts/a/bot', { uid: 'sa-1' }],
    ['pods/a/p', { uid: 'pod-1' }],
  ])
  const tokens = new ServiceAccountTokens({
    keys: { privateKeyPem: keys.privateKeyPem, publicKeysPem: trusted, issuers: [ISSUER, 'https://former'], audiences: ['api'] },
    clock,
    lookUp: async (kind, namespace, name) => {
      const metadata = objects.get(`${kind}/${namespace}/${name}`)
      return metadata && { metadata: metadata as ObjectMeta }
    },
  })
  return { tokens, clock, objects }
}

const CLAIMS = { namespace: 'a', serviceaccount: { name: 'bot', uid: 'sa-1' } }
const BOUND = { ...CLAIMS, pod: { name: 'p', uid: 'pod-1' } }

for (const type of ['ec', 'rsa'] as const) {
  test(`a token that was issued (${type}) names its account`, async () => {
    const { tokens } = setUp(keyPair(type))
    const { token } = await tokens.issue(BOUND, ['api', 'other'], 3600)
    const { user, audiences } = await tokens.authenticate(token)
    assert.deepEqual(audiences, ['api'])
    assert.equal(user.name, 'system:serviceaccount:a:bot')
    assert.deepEqual(user.groups, ['system:serviceaccounts', 'system:serviceaccounts:a'])
    assert.deepEqual(user.extra['authentication.kubernetes.io/pod-name'], ['p'])
    assert.deepEqual(Object.keys(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as object), ['alg', 'kid'])
  })
}

test('a token ends with its time, also where its signature is known', async () => {
  const { tokens, clock } = setUp()
  const { token } = await tokens.issue(CLAIMS, ['api'], 600)
  await tokens.authenticate(token)
  await clock.advance(599_000)
  await tokens.authenticate(token)
  await clock.advance(1_000)
  await assert.rejects(tokens.authenticate(token), { name: 'InvalidTokenError' })
})

test('a token is for its audiences alone', async () => {
  const { tokens } = setUp()
  const { token } = await tokens.issue(CLAIMS, ['mine'], 600)
  await assert.rejects(tokens.authenticate(token), {
    name: 'AudienceError',
    message: 'token audiences ["mine"] is invalid for the target audiences ["api"]',
  })
  assert.deepEqual((await tokens.authenticate(token, ['mine', 'x'])).audiences, ['mine'])
  const { token: several } = await tokens.issue(CLAIMS, ['a', 'b', 'a'], 3600)
  assert.deepEqual((await tokens.authenticate(several, ['b', 'x', 'a'])).audiences, ['b', 'a'], 'as they were asked for, each once')
})

test('a token ends with what it is bound to', async () => {
  const { tokens, clock, objects } = setUp()
  const { token } = await tokens.issue(BOUND, ['api'], 3600)
  await tokens.authenticate(token)
  objects.set('pods/a/p', { uid: 'pod-1', deletionTimestamp: new Date(clock.now()).toISOString() })
  await tokens.authenticate(token)
  await clock.advance(61_000)
  await assert.rejects(tokens.authenticate(token), { name: 'InvalidTokenError' })
  objects.set('pods/a/p', { uid: 'pod-2' })
  await assert.rejects(tokens.authenticate(token), { name: 'InvalidTokenError' })
  objects.set('pods/a/p', { uid: 'pod-1' })
  await tokens.authenticate(token)
  objects.delete('serviceaccounts/a/bot')
  await assert.rejects(tokens.authenticate(token), { name: 'InvalidTokenError' })
})

test('only trusted keys count, and a key that was replaced may still be trusted', async () => {
  const old = keyPair('ec')
  const { token } = await setUp(old).tokens.issue(CLAIMS, ['api'], 600)
  await assert.rejects(setUp().tokens.authenticate(token), { name: 'InvalidTokenError' })
  await setUp(keyPair('ec'), [old.publicKeyPem]).tokens.authenticate(token)
})

test('a token without a signature is none', async () => {
  const { tokens } = setUp()
  const { token } = await tokens.issue(CLAIMS, ['api'], 600)
  const [, payload = ''] = token.split('.')
  const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
  await assert.rejects(tokens.authenticate(`${none}.${payload}.`), { name: 'InvalidTokenError' })
})
