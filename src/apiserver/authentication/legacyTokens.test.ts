import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { SignJWT } from 'jose'
import { FakeClock } from '../../base/clock.ts'
import type { Secret, ServiceAccount } from '../../api/kinds/core/v1.ts'
import { LAST_USED_LABEL, LegacyTokens } from './legacyTokens.ts'

const NOW = Date.UTC(2026, 0, 2)
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const meta = { namespace: 'ns', resourceVersion: '1', creationTimestamp: '' }
const CLAIMS = 'kubernetes.io/serviceaccount'

async function sign(more: Record<string, unknown> = {}, key = privateKey): Promise<string> {
  const claims = { namespace: 'ns', 'secret.name': 's', 'service-account.name': 'a', 'service-account.uid': 'u', ...more }
  return new SignJWT(Object.fromEntries(Object.entries(claims).map(([name, value]) => [`${CLAIMS}/${name}`, value])))
    .setIssuer('kubernetes/serviceaccount')
    .setSubject('system:serviceaccount:ns:a')
    .setProtectedHeader({ alg: 'ES256' })
    .sign(key)
}

function tokens(secret: Secret | undefined, account: ServiceAccount | undefined, used: string[] = []): LegacyTokens {
  return new LegacyTokens({
    publicKeysPem: [publicKey.export({ type: 'spki', format: 'pem' }).toString()],
    getSecret: async () => secret,
    getAccount: async () => account,
    noteUse: ({ metadata }, day) => void used.push(`${metadata.name} ${day}`),
    clock: new FakeClock(NOW),
  })
}
const account: ServiceAccount = { metadata: { ...meta, name: 'a', uid: 'u' } }
const secretOf = (token: string, labels: Record<string, string> = {}): Secret => ({
  metadata: { ...meta, name: 's', uid: 's', labels },
  data: { token: Buffer.from(token).toString('base64') },
})

test('the token of a Secret stands for its ServiceAccount, and its use is noted once a day', async () => {
  const token = await sign()
  const used: string[] = []
  const user = await tokens(secretOf(token), account, used).authenticate(token)
  assert.deepEqual(user, {
    name: 'system:serviceaccount:ns:a',
    uid: 'u',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:ns'],
    extra: {},
  })
  await tokens(secretOf(token, { [LAST_USED_LABEL]: '2026-01-02' }), account, used).authenticate(token)
  await tokens(secretOf(token, { [LAST_USED_LABEL]: '2026-01-01' }), account, used).authenticate(token)
  assert.deepEqual(used, ['s 2026-01-02', 's 2026-01-02'])
  assert.equal(tokens(undefined, undefined).isLegacy(token), true)
  assert.equal(tokens(undefined, undefined).isLegacy('abcdef.0123456789abcdef'), false)
})

test('what is refused', async () => {
  const token = await sign()
  const stranger = await sign({}, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  const marked = secretOf(token, { 'kubernetes.io/legacy-token-invalid-since': '2026-01-01' })
  const cases: [string, string, Secret | undefined, ServiceAccount | undefined, RegExp][] = [
    ['signed by somebody else', stranger, secretOf(stranger), account, /invalid bearer token/],
    ['the Secret is gone', token, undefined, account, /has been invalidated/],
    ['the Secret has another token', token, secretOf('x'), account, /does not match server's copy/],
    ['the account is gone', token, secretOf(token), undefined, /has been deleted/],
    ['another account of that name', token, secretOf(token), { metadata: { ...account.metadata, uid: 'new' } }, /has been deleted/],
    ['marked invalid', token, marked, account, /has been marked invalid/],
    ['an account that the subject is not', await sign({ namespace: 'other' }), secretOf(token), account, /sub claim is invalid/],
  ]
  for (const [name, given, secret, owner, why] of cases) await assert.rejects(tokens(secret, owner).authenticate(given), why, name)
})
