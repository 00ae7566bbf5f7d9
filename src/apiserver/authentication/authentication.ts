/** The authenticators put together, with what they look up of the cluster's objects. */
import { nodes, pods, secrets, serviceaccounts } from '../../api/kinds/core/v1.ts'
import type { ServiceAccount } from '../../api/kinds/core/v1.ts'
import type { Resource } from '../../api/resource.ts'
import { timestamp } from '../../api/meta.ts'
import type { Clock } from '../../base/clock.ts'
import { AuthenticationMetrics } from '../metrics/authenticationMetrics.ts'
import type { OwnObjects } from '../ownObjects.ts'
import type { Tokens } from '../registry/tokens.ts'
import type { UserInfo } from '../request.ts'
import { Authenticator } from './authenticator.ts'
import type { AnonymousAccess } from './authenticator.ts'
import type { JwtTokens } from './jwtTokens.ts'
import { LegacyTokens } from './legacyTokens.ts'
import { ServiceAccountTokens } from './serviceAccountTokens.ts'
import type { LookUp, ServiceAccountKeys } from './serviceAccountTokens.ts'

export interface AuthenticationOptions {
  /** PEM. */
  tls: { clientCa: string; requestHeaderCa?: string }
  /** Common names that the front proxy may have. */
  requestHeaderAllowedNames?: readonly string[]
  serviceAccounts: ServiceAccountKeys
  staticTokens?: ReadonlyMap<string, UserInfo>
  jwt?: JwtTokens
  anonymous?: AnonymousAccess
  clock: Clock
}

export interface Authentication {
  authenticator: Authenticator
  serviceAccountTokens: ServiceAccountTokens
  metrics: AuthenticationMetrics
}

const BOUND_KINDS: Readonly<Record<Parameters<LookUp>[0], Resource>> = { nodes, pods, secrets, serviceaccounts }

export function createAuthentication(options: AuthenticationOptions, objects: OwnObjects): Authentication {
  const { tls, requestHeaderAllowedNames = [], serviceAccounts: keys, staticTokens, jwt, anonymous, clock } = options
  const lookUp: LookUp = (kind, namespace, name) => objects.get(BOUND_KINDS[kind], namespace, name)
  const serviceAccountTokens = new ServiceAccountTokens({ keys, lookUp, clock })
  const legacyTokens = new LegacyTokens({
    publicKeysPem: [...keys.publicKeysPem, keys.privateKeyPem],
    getSecret: (namespace, name) => objects.secret(namespace, name),
    getAccount: (namespace, name) => objects.get<ServiceAccount>(serviceaccounts, namespace, name),
    noteUse: (secret, day) => void objects.noteTokenUse(secret, day),
    clock,
  })
  const metrics = new AuthenticationMetrics()
  const authenticator = new Authenticator({
    metrics,
    ...tls,
    legacyTokens,
    requestHeaderAllowedNames,
    serviceAccountTokens,
    ...(staticTokens && { staticTokens }),
    ...(jwt && { jwt }),
    ...(anonymous && { anonymous }),
    getSecret: (namespace, name) => objects.secret(namespace, name),
    clock,
  })
  return { authenticator, serviceAccountTokens, metrics }
}

/** The issuer as the registry sees it. */
export function tokenIssuer(tokens: ServiceAccountTokens): Tokens {
  return {
    defaultAudiences: tokens.audiences,
    async issue({ namespace, serviceAccount, pod, node, secret }, { audiences, expirationSeconds }) {
      const claims = { namespace, serviceaccount: serviceAccount, ...(pod && { pod }), ...(node && { node }), ...(secret && { secret }) }
      const issued = await tokens.issue(claims, audiences.length > 0 ? audiences : tokens.audiences, expirationSeconds)
      return { token: issued.token, expirationTimestamp: timestamp(issued.expiresMs) }
    },
  }
}
