/**
 * ServiceAccount tokens: signed JWTs that name the account and what they are bound to (pod, node, secret). A signature alone
 * is not enough: the account and the bound object must still be there with the same uid (upstream's
 * pkg/serviceaccount claims and validator). Signatures are checked once for each token and kept for a bounded time; the
 * objects are looked up on every use.
 */
import { createHash, createPrivateKey, createPublicKey, randomUUID } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { SignJWT, decodeProtectedHeader, jwtVerify } from 'jose'
import type { JWTPayload } from 'jose'
import type { Clock } from '../../base/clock.ts'
import type { ObjectMeta } from '../../api/kinds/meta/v1.ts'
import type { UserInfo } from '../request.ts'
import { serviceAccountGroups, serviceAccountUserName } from './users.ts'

export interface ServiceAccountKeys {
  privateKeyPem: string
  /** The keys that are trusted; the private key's own is always among them. */
  publicKeysPem: readonly string[]
  /** The first one's name is in new tokens; tokens of all are known. */
  issuers: readonly string[]
  /** The API server's own audiences; a token without wishes gets the first. */
  audiences: readonly string[]
}

interface BoundReference {
  name: string
  uid: string
}

/** What a token says under `kubernetes.io`. */
export interface KubernetesClaims {
  namespace: string
  serviceaccount: BoundReference
  pod?: BoundReference
  node?: BoundReference
  secret?: BoundReference
}

/** An object that a token refers to, as the cache has it now. */
export type LookUp = (
  kind: 'serviceaccounts' | 'pods' | 'secrets' | 'nodes',
  namespace: string,
  name: string,
) => Promise<{ metadata: ObjectMeta } | undefined>

interface Verified {
  payload: JWTPayload
  expiresMs: number
}

const MAX_CACHED_TOKENS = 4_096
const CACHE_FOR_MS = 10 * 60_000
/** A deleted object's tokens stay good for its termination, so that a pod can say goodbye. */
const DELETION_LEEWAY_MS = 60_000
const CLOCK_SKEW_SECONDS = 60

/** The token is fine but not for this audience. */
export class AudienceError extends Error {
  override readonly name = 'AudienceError'
}

export class InvalidTokenError extends Error {
  override readonly name = 'InvalidTokenError'
}

export interface Authenticated {
  user: UserInfo
  audiences: string[]
}

interface SigningKey {
  id: string
  algorithm: string
  key: KeyObject
}

function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  const curve = key.asymmetricKeyDetails?.namedCurve
  if (curve === 'secp384r1') return 'ES384'
  if (curve === 'secp521r1') return 'ES512'
  return 'ES256'
}

/** Upstream's key id: the hash of the public key. */
function keyIdOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
}

function goList(values: readonly string[]): string {
  return `[${values.map((v) => JSON.stringify(v)).join(' ')}]`
}

export class ServiceAccountTokens {
  readonly issuer: string
  readonly #issuers: readonly string[]
  readonly audiences: readonly string[]
  readonly #signing: SigningKey
  readonly #trusted = new Map<string, SigningKey>()
  readonly #cache = new Map<string, Verified>()
  readonly #lookUp: LookUp
  readonly #clock: Clock

  constructor(options: { keys: ServiceAccountKeys; lookUp: LookUp; clock: Clock }) {
    const { keys, lookUp, clock } = options
    this.issuer = keys.issuers[0] ?? ''
    this.#issuers = keys.issuers
    this.audiences = keys.audiences
    this.#lookUp = lookUp
    this.#clock = clock
    const privateKey = createPrivateKey(keys.privateKeyPem)
    const own = createPublicKey(privateKey)
    for (const key of [own, ...keys.publicKeysPem.map((pem) => createPublicKey(pem))]) {
      const id = keyIdOf(key)
      this.#trusted.set(id, { id, algorithm: algorithmOf(key), key })
    }
    this.#signing = { id: keyIdOf(own), algorithm: algorithmOf(own), key: privateKey }
  }

  /** The public keys as a JSON Web Key Set. */
  jwks(): { keys: object[] } {
    return {
      keys: [...this.#trusted.values()].map(({ id, algorithm, key }) => ({
        use: 'sig',
        ...key.export({ format: 'jwk' }),
        kid: id,
        alg: algorithm,
      })),
    }
  }

  /** The algorithms that the keys sign with, for OpenID discovery. */
  algorithms(): string[] {
    return [...new Set([...this.#trusted.values()].map((k) => k.algorithm))]
  }

  async issue(
    claims: KubernetesClaims,
    audiences: readonly string[],
    lifetimeSeconds: number,
  ): Promise<{ token: string; expiresMs: number }> {
    const nowSeconds = Math.floor(this.#clock.now() / 1000)
    const exp = nowSeconds + lifetimeSeconds
    const token = await new SignJWT({
      aud: [...audiences],
      exp,
      iat: nowSeconds,
      iss: this.issuer,
      jti: randomUUID(),
      'kubernetes.io': claims,
      nbf: nowSeconds,
      sub: serviceAccountUserName(claims.namespace, claims.serviceaccount.name),
    })
      .setProtectedHeader({ alg: this.#signing.algorithm, kid: this.#signing.id })
      .sign(this.#signing.key)
    return { token, expiresMs: exp * 1000 }
  }

  /** Whether a token claims to come from this issuer; other authenticators may know those that do not. */
  isOurs(token: string): boolean {
    const payload = token.split('.')[1]
    if (!payload) return false
    try {
      return this.#issuers.includes((JSON.parse(Buffer.from(payload, 'base64url').toString()) as JWTPayload).iss ?? '')
    } catch {
      return false
    }
  }

  /** Throws InvalidTokenError, or AudienceError where only the audience is wrong. */
  async authenticate(token: string, wanted: readonly string[] = this.audiences): Promise<Authenticated> {
    const payload = await this.#verify(token)
    const has = typeof payload.aud === 'string' ? [payload.aud] : (payload.aud ?? [])
    const audiences = wanted.filter((audience) => has.includes(audience))
    if (audiences.length === 0) {
      throw new AudienceError(`token audiences ${goList(has)} is invalid for the target audiences ${goList(wanted)}`)
    }
    const claims = payload['kubernetes.io'] as KubernetesClaims | undefined
    if (!claims?.namespace || !claims.serviceaccount?.name) throw new InvalidTokenError('invalid bearer token')
    await this.#checkObjects(claims)
    return { user: userOfClaims(claims, payload.jti), audiences }
  }

  async #verify(token: string): Promise<JWTPayload> {
    const nowMs = this.#clock.now()
    const hash = createHash('sha256').update(token).digest('base64')
    const cached = this.#cache.get(hash)
    if (cached && cached.expiresMs > nowMs) return cached.payload
    const payload = await this.#checkSignature(token, nowMs)
    if (this.#cache.size >= MAX_CACHED_TOKENS) this.#cache.delete(this.#cache.keys().next().value as string)
    this.#cache.set(hash, { payload, expiresMs: Math.min(nowMs + CACHE_FOR_MS, (payload.exp ?? 0) * 1000) })
    return payload
  }

  async #checkSignature(token: string, nowMs: number): Promise<JWTPayload> {
    try {
      const { kid } = decodeProtectedHeader(token)
      const candidates = kid ? [this.#trusted.get(kid)] : [...this.#trusted.values()]
      for (const candidate of candidates) {
        if (!candidate) continue
        const { payload } = await jwtVerify(token, candidate.key, {
          algorithms: [candidate.algorithm],
          issuer: [...this.#issuers],
          currentDate: new Date(nowMs),
          clockTolerance: CLOCK_SKEW_SECONDS,
          requiredClaims: ['exp', 'sub'],
        })
        if ((payload.exp ?? 0) * 1000 <= nowMs) throw new InvalidTokenError(EXPIRED)
        return payload
      }
    } catch (cause) {
      if (cause instanceof InvalidTokenError) throw cause
      throw new InvalidTokenError(refusalOf(cause), { cause })
    }
    throw new InvalidTokenError('invalid bearer token')
  }

  async #checkObjects(claims: KubernetesClaims): Promise<void> {
    const { namespace, serviceaccount, pod, node, secret } = claims
    const checks: [Parameters<LookUp>[0], string, BoundReference | undefined][] = [
      ['serviceaccounts', namespace, serviceaccount],
      ['pods', namespace, pod],
      ['secrets', namespace, secret],
      // A pod's token carries its node for information only: the pod is what it is bound to.
      ['nodes', '', pod ? undefined : node],
    ]
    for (const [kind, inNamespace, reference] of checks) {
      if (!reference) continue
      const object = await this.#lookUp(kind, inNamespace, reference.name)
      const deleted = object?.metadata.deletionTimestamp
      const gone = deleted !== undefined && Date.parse(deleted) + DELETION_LEEWAY_MS < this.#clock.now()
      if (!object || gone || object.metadata.uid !== reference.uid)
        throw new InvalidTokenError('service account token has been invalidated')
    }
  }
}

const EXPIRED = 'service account token has expired'

/** What upstream's library says of a token that is none of ours, by the code of ours. */
function refusalOf(cause: unknown): string {
  const { code, claim } = cause as { code?: string; claim?: string }
  if (code === 'ERR_JWT_EXPIRED') return EXPIRED
  if (code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED') return 'go-jose/go-jose: error in cryptographic primitive'
  if (code === 'ERR_JWT_CLAIM_VALIDATION_FAILED' && claim === 'nbf') return 'service account token is not valid yet'
  return 'invalid bearer token'
}

export function userOfClaims(claims: KubernetesClaims, jti: string | undefined): UserInfo {
  const { namespace, serviceaccount, pod, node } = claims
  const extra: Record<string, string[]> = {}
  if (jti) extra['authentication.kubernetes.io/credential-id'] = [`JTI=${jti}`]
  if (pod) {
    extra['authentication.kubernetes.io/pod-name'] = [pod.name]
    extra['authentication.kubernetes.io/pod-uid'] = [pod.uid]
  }
  if (node) {
    extra['authentication.kubernetes.io/node-name'] = [node.name]
    extra['authentication.kubernetes.io/node-uid'] = [node.uid]
  }
  return {
    name: serviceAccountUserName(namespace, serviceaccount.name),
    uid: serviceaccount.uid,
    groups: serviceAccountGroups(namespace),
    extra,
  }
}
