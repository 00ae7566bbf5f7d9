/** TokenReview (is this token good, and whose is it?) and SelfSubjectReview (who am I?). */
import { timestamp } from '../../api/meta.ts'
import type { TokenReview } from '../../api/kinds/authentication/v1.ts'
import type { JsonObject } from '../../api/resource.ts'
import { newBadRequest } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import type { ApiRequest, ApiResult, UserInfo } from '../request.ts'
import type { Authenticator } from './authenticator.ts'
import { reviewResult } from './reviewObject.ts'
import { AudienceError, InvalidTokenError } from './serviceAccountTokens.ts'

const GROUP = 'authentication.k8s.io'

function userJson({ name, uid, groups, extra }: UserInfo): object {
  return { username: name, ...(uid && { uid }), ...(groups.length > 0 && { groups }), ...(Object.keys(extra).length > 0 && { extra }) }
}

async function reviewStatus(
  authenticator: Authenticator,
  token: string,
  audiences: readonly string[] | undefined,
): Promise<{ authenticated?: boolean; user?: object; audiences?: readonly string[]; error?: string }> {
  try {
    const found = await authenticator.authenticateToken(token, audiences)
    return { authenticated: true, user: userJson(found.user), audiences: found.audiences }
  } catch (error) {
    // Upstream asks every token authenticator; the other ones say this much.
    if (error instanceof AudienceError) return { error: `[invalid bearer token, ${error.message}]` }
    if (error instanceof InvalidTokenError) {
      return { error: error.message === 'invalid bearer token' ? error.message : `[invalid bearer token, ${error.message}]` }
    }
    throw error
  }
}

/** By `group/resource`, as the registry takes resources without storage. */
export function authenticationReviews(
  authenticator: () => Authenticator,
  clock: Clock,
): [string, (request: ApiRequest) => Promise<ApiResult>][] {
  return [
    [
      `${GROUP}/tokenreviews`,
      async (request) => {
        const review = (request.body ?? {}) as unknown as TokenReview
        const { token, audiences } = review.spec ?? {}
        if (!token) throw newBadRequest('token is required for TokenReview in authentication')
        const found = await reviewStatus(authenticator(), token, audiences?.length ? audiences : undefined)
        // Upstream writes what it has found over what was posted.
        const { authenticated: _, ...posted } = review.status ?? {}
        return reviewResult(request, { user: {}, ...posted, ...found }, clock.now())
      },
    ],
    [
      `${GROUP}/selfsubjectreviews`,
      async ({ user }) => {
        const creationTimestamp = timestamp(clock.now())
        const review = {
          kind: 'SelfSubjectReview',
          apiVersion: `${GROUP}/v1`,
          metadata: { creationTimestamp },
          status: { userInfo: userJson(user) },
        }
        return { type: 'object', code: 201, object: review as unknown as JsonObject }
      },
    ],
  ]
}
