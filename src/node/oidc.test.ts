import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oidcIssuer } from './oidc.ts'

const given = { 'oidc-issuer-url': 'https://dex', 'oidc-client-id': 'k' }

test('names have the issuer in front unless they are addresses, or the prefix is said', () => {
  const cases: [flags: object, prefix: string][] = [
    [{}, 'https://dex#'],
    [{ 'oidc-username-claim': 'name' }, 'https://dex#'],
    [{ 'oidc-username-claim': 'email' }, ''],
    [{ 'oidc-username-prefix': 'oidc:' }, 'oidc:'],
    [{ 'oidc-username-prefix': '-' }, ''],
  ]
  for (const [flags, prefix] of cases) assert.equal(oidcIssuer({ ...given, ...flags })?.claimMappings.username.prefix, prefix)
})

test('nothing said is no provider, and an authority may be given by its text', () => {
  assert.equal(oidcIssuer({}), undefined)
  assert.equal(oidcIssuer({ ...given, 'oidc-ca-file': 'PEM\n' })?.issuer.certificateAuthority, 'PEM\n')
  assert.throws(() => oidcIssuer({ ...given, 'oidc-ca-file': '/none' }), { code: 'ENOENT' })
})
