import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { JWK } from 'jose'
import { FakeClock } from '../../base/clock.ts'
import { TestAuthority } from '../testServer.ts'
import { OidcTokens } from './oidc.ts'
import type { OidcOptions } from './oidc.ts'

const clock = new FakeClock()
const authority = await TestAuthority.create('provider')
const served: { issuer?: string; keys: JWK[]; asked: number } = { keys: [], asked: 0 }
const server = createServer(await authority.issue('CN=localhost', { server: true, names: ['localhost'] }), ({ url }, response) => {
  served.asked++
  const document = url === '/keys' ? { keys: served.keys } : { issuer: served.issuer ?? issuer, jwks_uri: `${issuer}/keys` }
  response.end(JSON.stringify(document))
})
let issuer = ''

async function newKey(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  served.keys.push({ ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' })
  return (claims: Record<string, unknown>, seconds = 600): Promise<string> =>
    new SignJWT({ sub: 'u-1', aud: 'kubernetes', iss: issuer, exp: clock.now() / 1000 + seconds, ...claims })
      .setProtectedHeader({ alg: 'RS256', kid })
      .sign(privateKey)
}

const optionsOf = (more: Partial<OidcOptions> = {}): OidcOptions => ({
  issuerUrl: issuer,
  clientId: 'kubernetes',
  ca: authority.cert,
  usernameClaim: 'sub',
  usernamePrefix: '',
  groupsPrefix: '',
  requiredClaims: {},
  signingAlgs: ['RS256'],
  ...more,
})

describe('tokens of an OpenID Connect provider', () => {
  let sign: Awaited<ReturnType<typeof newKey>>

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
    issuer = `https://localhost:${(server.address() as AddressInfo).port}`
    sign = await newKey('first')
  })
  after(() => server.close())

  const outcome = async (options: Partial<OidcOptions>, claims: Record<string, unknown>, seconds?: number): Promise<object | string> =>
    new OidcTokens(optionsOf(options), clock)
      .authenticate(await sign(claims, seconds))
      .catch((error: Error) => `${error.name}: ${error.message}`)

  const email = { usernameClaim: 'email' }
  const groups = { groupsClaim: 'groups', groupsPrefix: 'oidc:' }
  const cases: [name: string, options: Partial<OidcOptions>, claims: Record<string, unknown>, expected: object | RegExp][] = [
    ['the subject', { usernamePrefix: 'x#' }, {}, { name: 'x#u-1', groups: [], extra: {} }],
    ['an address', email, { email: 'jane@x', email_verified: true }, { name: 'jane@x', groups: [], extra: {} }],
    ['an address that nobody has verified', email, { email: 'jane@x', email_verified: false }, /oidc: email not verified/],
    ['no name', email, {}, /oidc: parse username claims "email": claim not present/],
    ['groups', groups, { groups: ['a', 'b'] }, { name: 'u-1', groups: ['oidc:a', 'oidc:b'], extra: {} }],
    ['one group', groups, { groups: 'a' }, { name: 'u-1', groups: ['oidc:a'], extra: {} }],
    ['groups that are none', groups, { groups: [1] }, /parse groups claim "groups"/],
    ['another audience', {}, { aud: 'other' }, /unexpected "aud"/],
    ['one of several audiences', {}, { aud: ['other', 'kubernetes'] }, { name: 'u-1', groups: [], extra: {} }],
    ['a required claim', { requiredClaims: { hd: 'x' } }, { hd: 'x' }, { name: 'u-1', groups: [], extra: {} }],
    ['another value of it', { requiredClaims: { hd: 'x' } }, { hd: 'y' }, /required claim hd value does not match. Got = y, want = x/],
    ['none of it', { requiredClaims: { hd: 'x' } }, {}, /required claim hd not present in ID token/],
    ['an algorithm that is not taken', { signingAlgs: ['ES256'] }, {}, /"alg"/],
  ]
  for (const [name, options, claims, expected] of cases)
    test(name, async () => {
      const found = await outcome(options, claims)
      if (expected instanceof RegExp) assert.match(String(found), expected)
      else assert.deepEqual(found, expected)
    })

  test('its time is up', async () => assert.match(String(await outcome({}, {}, -60)), /InvalidTokenError: oidc: .*"exp"/))

  test('a provider of another name', async () => {
    served.issuer = 'https://other'
    assert.match(String(await outcome({}, {})), /issuer did not match the issuer returned by provider/)
    delete served.issuer
  })

  test('a new key is asked for, but made-up ones not all the time', async () => {
    const tokens = new OidcTokens(optionsOf(), clock)
    const first = await sign({})
    assert.ok(tokens.isOurs(first) && !tokens.isOurs('a.b.c'))
    await tokens.authenticate(first)
    const second = await newKey('second')
    const asked = served.asked
    await assert.rejects(tokens.authenticate(await second({})))
    assert.equal(served.asked, asked)
    await clock.advance(60_000)
    assert.equal((await tokens.authenticate(await second({}))).name, 'u-1')
  })
})
