/**
 * Tokens of Secrets of type `kubernetes.io/service-account-token`: they have no end, and are good for as long as the Secret holds
 * them and its ServiceAccount is there (upstream's legacy claims and validator). The day of their use is noted on the Secret,
 * so that a controller can remove those that nobody uses.
 */
import { createPublicKey, timingSafeEqual } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { jwtVerify } from 'jose'
import type { JWTPayload } from 'jose'
import type { Secret, ServiceAccount } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { UserInfo } from '../request.ts'
import { InvalidTokenError } from './serviceAccountTokens.ts'
import { serviceAccountGroups, serviceAccountUserName } from './users.ts'

const ISSUER = 'kubernetes/serviceaccount'
const CLAIMS = 'kubernetes.io/serviceaccount'
export const LAST_USED_LABEL = 'kubernetes.io/legacy-token-last-used'
const INVALID_SINCE_LABEL = 'kubernetes.io/legacy-token-invalid-since'

export interface LegacyTokensOptions {
  publicKeysPem: readonly string[]
  getSecret(namespace: string, name: string): Promise<Secret | undefined>
  getAccount(namespace: string, name: string): Promise<ServiceAccount | undefined>
  /** Notes on the Secret that its token was used on that day, `2026-01-31`. */
  noteUse(secret: Secret, day: string): void
  clock: Clock
}

export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)]
  return x.length === y.length && timingSafeEqual(x, y)
}

export class LegacyTokens {
  readonly #options: LegacyTokensOptions
  readonly #keys: readonly KeyObject[]

  constructor(options: LegacyTokensOptions) {
    this.#options = options
    this.#keys = options.publicKeysPem.map((pem) => createPublicKey(pem))
  }

  isLegacy(token: string): boolean {
    try {
      return (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as JWTPayload).iss === ISSUER
    } catch {
      return false
    }
  }

  /** Throws InvalidTokenError. */
  async authenticate(token: string): Promise<UserInfo> {
    const payload = await this.#verify(token)
    const claim = (name: string): string => {
      const value = payload[`${CLAIMS}/${name}`]
      if (typeof value === 'string' && value !== '') return value
      throw new InvalidTokenError(`${name} claim is missing`)
    }
    const namespace = claim('namespace')
    const accountName = claim('service-account.name')
    const uid = claim('service-account.uid')
    const secretName = claim('secret.name')
    const name = serviceAccountUserName(namespace, accountName)
    if (payload.sub !== name) throw new InvalidTokenError('sub claim is invalid')
    const secret = await this.#options.getSecret(namespace, secretName)
    if (!secret || secret.metadata.deletionTimestamp !== undefined) throw new InvalidTokenError('Token has been invalidated')
    if (!sameText(Buffer.from(secret.data?.['token'] ?? '', 'base64').toString(), token))
      throw new InvalidTokenError("Token does not match server's copy")
    const account = await this.#options.getAccount(namespace, accountName)
    if (!account || account.metadata.deletionTimestamp !== undefined || account.metadata.uid !== uid)
      throw new InvalidTokenError(`ServiceAccount ${namespace}/${accountName} has been deleted`)
    this.#note(secret)
    if (secret.metadata.labels?.[INVALID_SINCE_LABEL]) {
      throw new InvalidTokenError(
        `the token in secret ${namespace}/${secretName} for service account ${namespace}/${accountName} has been marked invalid`,
      )
    }
    return { name, uid, groups: serviceAccountGroups(namespace), extra: {} }
  }

  async #verify(token: string): Promise<JWTPayload> {
    for (const key of this.#keys) {
      try {
        return (await jwtVerify(token, key, { issuer: ISSUER, currentDate: new Date(this.#options.clock.now()) })).payload
      } catch {
        // The next key may be the one; what none of them signed is refused below.
      }
    }
    throw new InvalidTokenError('invalid bearer token')
  }

  #note(secret: Secret): void {
    const today = dayOf(this.#options.clock.now())
    const noted = secret.metadata.labels?.[LAST_USED_LABEL]
    // Another server's clock may be ahead by some hours.
    if (noted !== today && noted !== dayOf(this.#options.clock.now() + 86_400_000)) this.#options.noteUse(secret, today)
  }
}
