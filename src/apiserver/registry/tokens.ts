/** Service account tokens: the registry checks a TokenRequest, whoever holds the signing key issues the token. */
import type { TokenRequestSpec } from '../../api/kinds/authentication/v1.ts'

export interface TokenSubject {
  namespace: string
  serviceAccount: { name: string; uid: string }
  pod?: { name: string; uid: string }
  /** The node that the pod runs on, or that the token is bound to. */
  node?: { name: string; uid: string }
  secret?: { name: string; uid: string }
}

export interface IssuedToken {
  token: string
  /** RFC 3339, whole seconds. */
  expirationTimestamp: string
}

export interface Tokens {
  /** Empty `audiences` mean the API server's own. */
  issue(
    subject: TokenSubject,
    options: { audiences: readonly string[]; expirationSeconds: number; spec: TokenRequestSpec },
  ): Promise<IssuedToken>
  /** The audiences of a token that asks for none. */
  readonly defaultAudiences: readonly string[]
}
