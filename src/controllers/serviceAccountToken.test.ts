import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Secret, ServiceAccount } from '../api/kinds/core/v1.ts'
import { planTokenSecret } from './serviceAccountToken.ts'

const META = { namespace: 'ns', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const ACCOUNT: ServiceAccount = { metadata: { ...META, name: 'a', uid: 'u' } }
const ROOT = 'root'
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const WHOLE = { token: base64('t'), namespace: base64('ns'), 'ca.crt': base64(ROOT) }
const secret = (data: Record<string, string>, uid: string | undefined = 'u'): Secret => ({
  metadata: { ...META, name: 's', uid: 's', annotations: uid ? { 'kubernetes.io/service-account.uid': uid } : {} },
  data,
})

const CASES: readonly (readonly [what: string, secret: Secret, account: ServiceAccount | undefined, plan: string])[] = [
  ['all there', secret(WHOLE), ACCOUNT, 'keep'],
  ['its account is gone', secret(WHOLE), undefined, 'delete'],
  ['its account is another one of that name', secret(WHOLE, 'before'), ACCOUNT, 'delete'],
  ['nothing there yet', secret({}, ''), ACCOUNT, 'fill'],
  ['an empty token', secret({ ...WHOLE, token: '' }), ACCOUNT, 'fill'],
  ['another authority', secret({ ...WHOLE, 'ca.crt': base64('old') }), ACCOUNT, 'fill'],
  ['no namespace', secret({ ...WHOLE, namespace: '' }), ACCOUNT, 'fill'],
  ['a namespace that somebody wrote', secret({ ...WHOLE, namespace: base64('mine') }), ACCOUNT, 'keep'],
]

for (const [what, given, account, plan] of CASES)
  test(`a token secret: ${what}`, () => {
    assert.equal(planTokenSecret(given, account, ROOT), plan)
  })
