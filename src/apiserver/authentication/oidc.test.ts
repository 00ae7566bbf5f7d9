import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { JWK } from 'jose'
import { FakeClock } from '../../base/clock.ts'
import { TestAuthority } from '../testServer.ts'
import type { JwtIssuer } from './jwtConfiguration.ts'
import { JwtTokens } from './jwtTokens.ts'
import { OidcTokens } from './oidc.ts'

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

const issuerOf = (more: Partial<JwtIssuer['issuer']> = {}): JwtIssuer => ({
  issuer: { url: issuer, audiences: ['kubernetes'], certificateAuthority: authority.cert, ...more },
  claimMappings: { username: { claim: 'sub', prefix: 'x#' } },
})
const tokensOf = (more: Partial<JwtIssuer['issuer']> = {}, signingAlgs = ['RS256']): OidcTokens =>
  new OidcTokens({ issuer: issuerOf(more), signingAlgs, clock })

describe('tokens of an OpenID Connect provider', () => {
  let sign: Awaited<ReturnType<typeof newKey>>

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
    issuer = `https://localhost:${(server.address() as AddressInfo).port}`
    sign = await newKey('first')
  })
  after(() => server.close())

  const outcome = async (tokens: OidcTokens, claims: Record<string, unknown>, seconds?: number): Promise<string> =>
    tokens.authenticate(await sign(claims, seconds)).then(
      ({ name }) => name,
      (error: Error) => `${error.name}: ${error.message}`,
    )

  test('the subject, for one of several audiences', async () => {
    assert.equal(await outcome(tokensOf(), {}), 'x#u-1')
    assert.equal(await outcome(tokensOf(), { aud: ['other', 'kubernetes'] }), 'x#u-1')
    assert.equal(await outcome(tokensOf({ audiences: ['a', 'b'] }), { aud: 'b' }), 'x#u-1')
    assert.equal(await outcome(tokensOf(), { nbf: clock.now() / 1000 + 30 }), 'x#u-1')
  })

  test('why a token is none, in upstream’s words', async () => {
    const verify = 'InvalidTokenError: oidc: verify token: '
    assert.equal(await outcome(tokensOf(), { aud: 'other' }), `${verify}oidc: expected audience "kubernetes" got ["other"]`)
    const several = tokensOf({ audiences: ['a', 'b'] })
    assert.equal(await outcome(several, { aud: ['c', 'd'] }), `${verify}oidc: expected audience in ["a" "b"] got ["c" "d"]`)
    assert.match(
      await outcome(tokensOf(), {}, -60),
      /verify token: oidc: token is expired \(Token Expiry: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC\)$/,
    )
    assert.equal(
      await outcome(tokensOf(), { exp: undefined }),
      `${verify}oidc: token is expired (Token Expiry: 0001-01-01 00:00:00 +0000 UTC)`,
    )
    assert.match(await outcome(tokensOf(), { nbf: clock.now() / 1000 + 100 }), /oidc: current time .* before the nbf \(not before\) time: /)
    assert.equal(
      await outcome(tokensOf({}, ['ES256', 'ES384']), {}),
      `${verify}oidc: id token signed with unsupported algorithm, expected ["ES256" "ES384"] got "RS256"`,
    )
    const forged = `${(await sign({})).slice(0, -6)}AAAAAA`
    await assert.rejects(tokensOf().authenticate(forged), /verify token: failed to verify signature: failed to verify id token signature/)
  })

  test('a provider of another name, and one that is away', async () => {
    served.issuer = 'https://other'
    const tokens = tokensOf()
    assert.equal(await outcome(tokens, {}), 'InvalidTokenError: oidc: authenticator not initialized')
    delete served.issuer
    const { asked } = served
    assert.equal(await outcome(tokens, {}), 'InvalidTokenError: oidc: authenticator not initialized')
    assert.equal(served.asked, asked)
    await clock.advance(10_000)
    assert.equal(await outcome(tokens, {}), 'x#u-1')
  })

  test('one that is asked elsewhere', async () => {
    assert.equal(await outcome(tokensOf({ discoveryURL: `${issuer}/elsewhere` }), {}), 'x#u-1')
  })

  test('a new key is asked for, but made-up ones not all the time', async () => {
    const tokens = tokensOf()
    const first = await sign({})
    assert.ok(tokens.isOurs(first) && !tokens.isOurs('a.b.c'))
    await tokens.authenticate(first)
    const second = await newKey('second')
    const asked = served.asked
    await assert.rejects(tokens.authenticate(await second({})))
    assert.equal(served.asked, asked)
    await clock.advance(60_000)
    assert.equal((await tokens.authenticate(await second({}))).name, 'x#u-1')
  })

  test('another configuration is in force at once', async () => {
    const jwt = new JwtTokens({ issuers: [], signingAlgs: ['RS256'] }, clock)
    const token = await sign({})
    assert.equal(jwt.providerOf(token), undefined)
    jwt.replace([issuerOf({ url: 'https://other' }), issuerOf()])
    assert.equal((await jwt.providerOf(token)?.authenticate(token))?.name, 'x#u-1')
  })
})
