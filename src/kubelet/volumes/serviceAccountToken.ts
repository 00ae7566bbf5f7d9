/** Tokens of service accounts for the volumes of pods: asked for when needed, renewed before they end. */
import type { TokenRequest } from '../../api/kinds/authentication/v1.ts'
import { serviceaccounts } from '../../api/kinds/core/v1.ts'
import type { Pod, ServiceAccount, ServiceAccountTokenProjection } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'

const DEFAULT_EXPIRATION_SECONDS = 3600
/** A token is renewed when this part of its life is over, and at the latest after a day. */
const RENEW_AFTER = 0.8
const RENEW_AT_LATEST_MS = 24 * 3600_000

interface Token {
  value: string
  /** As the API says it. */
  expires: string
  renewAtMs: number
}

export class ServiceAccountTokens {
  readonly #client: Client
  readonly #clock: Clock
  readonly #byKey = new Map<string, Token>()

  constructor(options: { client: Client; clock: Clock }) {
    this.#client = options.client
    this.#clock = options.clock
  }

  async get(pod: Pod, projection: ServiceAccountTokenProjection, signal: AbortSignal): Promise<Token> {
    const { uid, namespace, name } = pod.metadata
    const account = pod.spec?.serviceAccountName || 'default'
    const key = JSON.stringify([uid, account, projection.audience ?? '', projection.expirationSeconds ?? 0])
    const known = this.#byKey.get(key)
    if (known && this.#clock.now() < known.renewAtMs) return known
    const request: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: {},
      spec: {
        audiences: projection.audience ? [projection.audience] : [],
        expirationSeconds: projection.expirationSeconds ?? DEFAULT_EXPIRATION_SECONDS,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    }
    const answer = await this.#client.create<ServiceAccount, TokenRequest>(serviceaccounts, request as unknown as ServiceAccount, {
      namespace,
      name: account,
      subresource: 'token',
      signal,
    })
    const issuedMs = this.#clock.now()
    const expiresMs = Date.parse(answer.status?.expirationTimestamp ?? '')
    const lifeMs = Number.isNaN(expiresMs) ? DEFAULT_EXPIRATION_SECONDS * 1000 : expiresMs - issuedMs
    const token = {
      value: answer.status?.token ?? '',
      expires: answer.status?.expirationTimestamp ?? '',
      renewAtMs: issuedMs + Math.min(lifeMs * RENEW_AFTER, RENEW_AT_LATEST_MS),
    }
    this.#byKey.set(key, token)
    return token
  }

  forget(podUid: string): void {
    for (const key of this.#byKey.keys()) if (key.startsWith(`["${podUid}"`)) this.#byKey.delete(key)
  }
}
