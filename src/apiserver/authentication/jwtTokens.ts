/** Tokens of all the issuers that were configured, which may be others from one moment to the next. */
import type { Clock } from '../../base/clock.ts'
import type { JwtMetrics } from '../metrics/jwtMetrics.ts'
import type { JwtIssuer } from './jwtConfiguration.ts'
import { OidcTokens } from './oidc.ts'

export interface JwtOptions {
  issuers: readonly JwtIssuer[]
  /** What tokens may be signed with. */
  signingAlgs: readonly string[]
  metrics?: JwtMetrics
}

/** What upstream takes of configured issuers; the flags' one is RS256 unless told otherwise. */
export const ALL_SIGNING_ALGORITHMS: readonly string[] = ['ES', 'PS', 'RS'].flatMap((family) =>
  ['256', '384', '512'].map((bits) => family + bits),
)

export class JwtTokens {
  readonly #options: Omit<JwtOptions, 'issuers'> & { clock: Clock }
  #providers: readonly OidcTokens[]

  constructor({ issuers, ...options }: JwtOptions, clock: Clock) {
    this.#options = { ...options, clock }
    this.#providers = this.#made(issuers)
  }

  replace(issuers: readonly JwtIssuer[]): void {
    this.#providers = this.#made(issuers)
  }

  /** Whose token it says it is. */
  providerOf(token: string): OidcTokens | undefined {
    return this.#providers.find((provider) => provider.isOurs(token))
  }

  #made(issuers: readonly JwtIssuer[]): OidcTokens[] {
    return issuers.map((issuer) => new OidcTokens({ ...this.#options, issuer }))
  }
}
