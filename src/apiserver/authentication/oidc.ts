/**
 * Tokens of an OpenID Connect provider (upstream's --oidc-* flags): whoever runs one, Dex or Keycloak say, has its users as the
 * cluster's. The provider is asked for its keys when the first of its tokens comes, and again for a key that is not known yet.
 */
import { request } from 'node:https'
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import type { JSONWebKeySet, JWTPayload } from 'jose'
import type { Clock } from '../../base/clock.ts'
import type { UserInfo } from '../request.ts'
import { InvalidTokenError } from './serviceAccountTokens.ts'

export interface OidcOptions {
  issuerUrl: string
  clientId: string
  /** PEM of the provider's authority; the system's unless given. */
  ca?: string
  usernameClaim: string
  /** Before each name. */
  usernamePrefix: string
  groupsClaim?: string
  groupsPrefix: string
  requiredClaims: Readonly<Record<string, string>>
  signingAlgs: readonly string[]
}

const ANSWER_TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 1024 * 1024
/** Made-up key ids do not make the server ask all the time. */
const KEYS_KEPT_MS = 10_000
const CLOCK_SKEW_SECONDS = 10

type Keys = ReturnType<typeof createLocalJWKSet>

export class OidcTokens {
  readonly #options: OidcOptions
  readonly #clock: Clock
  #keys: { of: Keys; fetchedMs: number } | undefined
  #fetching: Promise<Keys> | undefined

  constructor(options: OidcOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
  }

  isOurs(token: string): boolean {
    try {
      return decodeJwt(token).iss === this.#options.issuerUrl
    } catch {
      return false
    }
  }

  /** Throws InvalidTokenError. */
  async authenticate(token: string): Promise<UserInfo> {
    try {
      return userOf(await this.#verified(token), this.#options)
    } catch (cause) {
      throw new InvalidTokenError(`oidc: ${(cause as Error).message}`, { cause })
    }
  }

  async #verified(token: string): Promise<JWTPayload> {
    const { issuerUrl, clientId, signingAlgs } = this.#options
    const verify = async (keys: Keys): Promise<JWTPayload> => {
      const { payload } = await jwtVerify(token, keys, {
        issuer: issuerUrl,
        audience: clientId,
        algorithms: [...signingAlgs],
        clockTolerance: CLOCK_SKEW_SECONDS,
        currentDate: new Date(this.#clock.now()),
        requiredClaims: ['exp'],
      })
      return payload
    }
    const known = this.#keys
    if (!known) return verify(await this.#fetchKeys())
    try {
      return await verify(known.of)
    } catch (error) {
      const isUnknownKey = (error as { code?: string }).code === 'ERR_JWKS_NO_MATCHING_KEY'
      if (!isUnknownKey || this.#clock.now() - known.fetchedMs < KEYS_KEPT_MS) throw error
      return verify(await this.#fetchKeys())
    }
  }

  #fetchKeys(): Promise<Keys> {
    this.#fetching ??= this.#askProvider().finally(() => (this.#fetching = undefined))
    return this.#fetching
  }

  async #askProvider(): Promise<Keys> {
    const { issuerUrl, ca } = this.#options
    const found = (await getJson(`${issuerUrl.replace(/\/$/, '')}/.well-known/openid-configuration`, ca)) as Record<string, unknown>
    if (found['issuer'] !== issuerUrl) {
      const [expected, got] = [JSON.stringify(issuerUrl), JSON.stringify(found['issuer'])]
      throw new Error(`issuer did not match the issuer returned by provider, expected ${expected} got ${got}`)
    }
    const keys = createLocalJWKSet((await getJson(String(found['jwks_uri']), ca)) as JSONWebKeySet)
    this.#keys = { of: keys, fetchedMs: this.#clock.now() }
    return keys
  }
}

function userOf(claims: JWTPayload, options: OidcOptions): UserInfo {
  const { usernameClaim, usernamePrefix, groupsClaim, groupsPrefix, requiredClaims } = options
  const name = claims[usernameClaim]
  if (typeof name !== 'string') throw new Error(`parse username claims ${JSON.stringify(usernameClaim)}: claim not present`)
  if (usernameClaim === 'email' && 'email_verified' in claims && claims['email_verified'] !== true) throw new Error('email not verified')
  for (const [claim, value] of Object.entries(requiredClaims)) {
    if (claims[claim] === undefined) throw new Error(`required claim ${claim} not present in ID token`)
    if (claims[claim] !== value)
      throw new Error(`required claim ${claim} value does not match. Got = ${String(claims[claim])}, want = ${value}`)
  }
  return {
    name: usernamePrefix + name,
    groups: groupsClaim ? groupsOf(claims[groupsClaim], groupsClaim).map((group) => groupsPrefix + group) : [],
    extra: typeof claims.jti === 'string' ? { 'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`] } : {},
  }
}

/** One name or several; a claim that is not there names none. */
function groupsOf(claim: unknown, name: string): string[] {
  const groups: unknown[] = claim === undefined || claim === null ? [] : [claim].flat()
  if (groups.every((group) => typeof group === 'string')) return groups
  throw new Error(`parse groups claim ${JSON.stringify(name)}: neither a string nor a list of strings`)
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
