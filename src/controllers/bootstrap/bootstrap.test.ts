import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import type { Secret } from '../../api/kinds/core/v1.ts'
import { signedData } from './bootstrapSigner.ts'
import { detachedSignature, expirationMs, signingToken } from './tokens.ts'

function secret(data: Record<string, string>, name = 'bootstrap-token-abcdef'): Secret {
  const all = { 'token-id': 'abcdef', 'token-secret': '0123456789abcdef', 'usage-bootstrap-signing': 'true', ...data }
  return {
    metadata: { name, namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    data: Object.fromEntries(Object.entries(all).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  } as unknown as Secret
}

test('which tokens sign', () => {
  const token = { id: 'abcdef', secret: '0123456789abcdef' }
  assert.deepEqual(signingToken(secret({}), 0), token)
  assert.deepEqual(signingToken(secret({ expiration: '1970-01-01T00:00:01Z' }), 0), token)
  for (const bad of [
    secret({ expiration: '1970-01-01T00:00:01Z' }, 'bootstrap-token-abcdef'),
    secret({ expiration: 'soon' }),
    secret({ 'usage-bootstrap-signing': 'false' }),
    secret({ 'token-secret': 'short' }),
    secret({}, 'other'),
  ])
    assert.equal(signingToken(bad, 2_000), undefined)
  assert.equal(expirationMs(secret({})), undefined)
})

test('a signature is a JWS without its payload', () => {
  const jws = detachedSignature('content', { id: 'abcdef', secret: '0123456789abcdef' })
  const [header = '', payload, signature] = jws.split('.')
  assert.deepEqual(JSON.parse(Buffer.from(header, 'base64url').toString()), { alg: 'HS256', kid: 'abcdef' })
  assert.equal(payload, '')
  const input = `${header}.${Buffer.from('content').toString('base64url')}`
  assert.equal(signature, createHmac('sha256', '0123456789abcdef').update(input).digest('base64url'))
})

test('signatures come and go with their tokens', () => {
  const token = { id: 'abcdef', secret: '0123456789abcdef' }
  const signed = signedData({ kubeconfig: 'k', 'jws-kubeconfig-gone00': 'x', other: 'o' }, [token])
  assert.deepEqual(signed, { kubeconfig: 'k', other: 'o', 'jws-kubeconfig-abcdef': detachedSignature('k', token) })
  assert.equal(signedData(signed as Record<string, string>, [token]), undefined)
  assert.equal(signedData({ other: 'o' }, [token]), undefined)
})
