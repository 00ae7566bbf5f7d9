/**
 * Tokens of one OpenID Connect provider: whoever runs one, Dex or Keycloak say, has its users as the cluster's. The provider is
 * asked for its keys when the first of its tokens comes, and again for a key that is not known yet.
 */
import { request } from 'node:https'
import { compactVerify, createLocalJWKSet, decodeJwt, decodeProtectedHeader } from 'jose'
import type { JSONWebKeySet, JWTPayload } from 'jose'
import type { Clock } from '../../base/clock.ts'
import type { JwtMetrics } from '../metrics/jwtMetrics.ts'
import type { UserInfo } from '../request.ts'
import type { JwtIssuer } from './jwtConfiguration.ts'
import { JwtUsers } from './jwtUser.ts'
import { InvalidTokenError } from './serviceAccountTokens.ts'

const ANSWER_TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 1024 * 1024
/** Made-up key ids do not make the server ask all the time, nor does a provider that is away. */
const ASKED_AGAIN_MS = 10_000
/** Go's zero moment, which is what a token without an end ends at. */
const NEVER_SECONDS = Date.parse('0001-01-01T00:00:00Z') / 1000
const NOT_BEFORE_LEEWAY_SECONDS = 60

type Keys = ReturnType<typeof createLocalJWKSet>

/** As Go prints a moment. */
const goTime = (seconds: number): string =>
  `${new Date(seconds * 1000)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, '')} +0000 UTC`
const goList = (values: readonly string[]): string => `[${values.map((value) => JSON.stringify(value)).join(' ')}]`

export interface OidcOptions {
  issuer: JwtIssuer
  signingAlgs: readonly string[]
  metrics?: JwtMetrics
  clock: Clock
}

export class OidcTokens {
  readonly #issuer: JwtIssuer['issuer']
  readonly #users: JwtUsers
  readonly #signingAlgs: readonly string[]
  readonly #metrics: JwtMetrics | undefined
  readonly #clock: Clock
  #keys: { of: Keys; fetchedMs: number } | undefined
  #fetching: Promise<Keys> | undefined
  #failure: { error: unknown; atMs: number } | undefined

  constructor({ issuer, signingAlgs, metrics, clock }: OidcOptions) {
    this.#issuer = issuer.issuer
    this.#users = new JwtUsers(issuer)
    this.#signingAlgs = signingAlgs
    this.#metrics = metrics
    this.#clock = clock
  }

  isOurs(token: string): boolean {
    try {
      const { iss } = decodeJwt(token)
      return (iss === 'accounts.google.com' ? 'https://accounts.google.com' : iss) === this.#issuer.url
    } catch {
      return false
    }
  }

  /** Throws InvalidTokenError. */
  async authenticate(token: string): Promise<UserInfo> {
    const startMs = performance.now()
    let result: 'success' | 'failure' = 'failure'
    try {
      const claims = await this.#verified(token)
      const user = this.#users.userOf(claims)
      result = 'success'
      return user
    } catch (cause) {
      throw new InvalidTokenError(`oidc: ${(cause as Error).message}`, { cause })
    } finally {
      this.#metrics?.authenticated(this.#issuer.url, result, (performance.now() - startMs) / 1000)
    }
  }

  async #verified(token: string): Promise<JWTPayload> {
    const keys = this.#keys?.of ?? (await this.#fetchKeys().catch(() => undefined))
    if (!keys) throw new Error('authenticator not initialized')
    try {
      const claims = decodeJwt(token)
      this.#checkClaims(claims)
      const { alg } = decodeProtectedHeader(token)
      if (!this.#signingAlgs.includes(alg ?? ''))
        throw new Error(
          `oidc: id token signed with unsupported algorithm, expected ${goList(this.#signingAlgs)} got ${JSON.stringify(alg)}`,
        )
      await this.#checkSignature(token, keys)
      return claims
    } catch (cause) {
      throw new Error(`verify token: ${(cause as Error).message}`, { cause })
    }
  }

  #checkClaims({ sub = '', aud = [], exp = NEVER_SECONDS, nbf }: JWTPayload): void {
    if (typeof sub !== 'string')
      throw new Error(
        `oidc: failed to unmarshal claims: json: cannot unmarshal ${typeof sub} into Go struct field idToken.sub of type string`,
      )
    const [given, wanted] = [[aud].flat(), this.#issuer.audiences]
    if (!given.some((each) => wanted.includes(each)))
      throw new Error(
        `oidc: expected audience ${wanted.length > 1 ? `in ${goList(wanted)}` : JSON.stringify(wanted[0])} got ${goList(given)}`,
      )
    const nowSeconds = this.#clock.now() / 1000
    if (exp < nowSeconds) throw new Error(`oidc: token is expired (Token Expiry: ${goTime(exp)})`)
    if (nbf !== undefined && nowSeconds + NOT_BEFORE_LEEWAY_SECONDS < nbf)
      throw new Error(`oidc: current time ${goTime(nowSeconds)} before the nbf (not before) time: ${goTime(nbf)}`)
  }

  async #checkSignature(token: string, keys: Keys): Promise<void> {
    const verify = async (by: Keys): Promise<unknown> => compactVerify(token, by, { algorithms: [...this.#signingAlgs] })
    try {
      await verify(keys).catch(async (error: unknown) => {
        const isUnknownKey = (error as { code?: string }).code === 'ERR_JWKS_NO_MATCHING_KEY'
        if (!isUnknownKey || this.#clock.now() - (this.#keys?.fetchedMs ?? 0) < ASKED_AGAIN_MS) throw error
        await verify(await this.#fetchKeys())
      })
    } catch (cause) {
      const { code = '', message } = cause as { code?: string; message: string }
      const why = code.startsWith('ERR_JW') ? 'failed to verify id token signature' : `fetching keys ${message}`
      throw new Error(`failed to verify signature: ${why}`, { cause })
    }
  }

  #fetchKeys(): Promise<Keys> {
    const failed = this.#failure
    if (failed && this.#clock.now() - failed.atMs < ASKED_AGAIN_MS) return Promise.reject(failed.error as Error)
    this.#fetching ??= this.#askProvider()
      .catch((error: unknown) => {
        this.#failure = { error, atMs: this.#clock.now() }
        throw error
      })
      .finally(() => (this.#fetching = undefined))
    return this.#fetching
  }

  async #askProvider(): Promise<Keys> {
    const { url, discoveryURL, certificateAuthority: ca } = this.#issuer
    const found = (await getJson(discoveryURL ?? `${url.replace(/\/$/, '')}/.well-known/openid-configuration`, ca)) as Record<
      string,
      unknown
    >
    if (found['issuer'] !== url) {
      const [expected, got] = [JSON.stringify(url), JSON.stringify(found['issuer'])]
      throw new Error(`oidc: issuer did not match the issuer returned by provider, expected ${expected} got ${got}`)
    }
    const keys = createLocalJWKSet((await getJson(String(found['jwks_uri']), ca)) as JSONWebKeySet)
    this.#keys = { of: keys, fetchedMs: this.#clock.now() }
    return keys
  }
}

function getJson(url: string, ca: string | undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { ...(ca && { ca }), signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }, (response) => {
      const chunks: Buffer[] = []
      let sizeBytes = 0
      response.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length
        if (sizeBytes > ANSWER_BYTES_MAX) response.destroy(new Error(`${url} answered more than ${ANSWER_BYTES_MAX} bytes`))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`${url} answered ${response.statusCode}`))
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString()))
        } catch (error) {
          reject(new Error(`${url} did not answer JSON`, { cause: error }))
        }
      })
    })
    asked.on('error', reject).end()
  })
}
