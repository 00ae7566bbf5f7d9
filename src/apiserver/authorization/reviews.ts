/** SubjectAccessReview and its siblings: asking the authorizers without doing anything. */
import type {
  LocalSubjectAccessReview,
  NonResourceAttributes,
  ResourceAttributes,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
} from '../../api/kinds/authorization/v1.ts'
import type { PolicyRule } from '../../api/kinds/rbac/v1.ts'
import type { JsonObject } from '../../api/resource.ts'
import type { Clock } from '../../base/clock.ts'
import { newBadRequest, newInvalid } from '../../api/status.ts'
import type { FieldError } from '../../api/status.ts'
import type { ApiRequest, ApiResult, RequestAttributes, UserInfo } from '../request.ts'
import { reviewMetadata, reviewResult } from '../authentication/reviewObject.ts'
import type { Authorization } from './authorization.ts'
import { evaluationError } from './reviewSelectors.ts'
import { localErrors, metadataErrors, specErrors, subjectErrors } from './reviewValidation.ts'
import { nodeNameOf } from '../authentication/users.ts'
import { compactRules } from './rules.ts'

type Spec = { resourceAttributes?: ResourceAttributes; nonResourceAttributes?: NonResourceAttributes }
export type VirtualResource = (request: ApiRequest) => Promise<ApiResult>

const GROUP = 'authorization.k8s.io'

/** The kind is left out of these messages: upstream's object has none when it is validated. */
function check(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw newInvalid({ group: GROUP, kind: '' }, '', errors)
}

function attributesOf(spec: Spec, user: UserInfo): RequestAttributes {
  const { resourceAttributes: r, nonResourceAttributes: n } = spec
  if (n)
    return { user, verb: n.verb ?? '', group: '', version: '', resource: '', subresource: '', namespace: '', name: '', path: n.path ?? '' }
  const requirement = r?.fieldSelector?.requirements?.find((q) => q.operator === 'In' && q.values?.length === 1)
  const fieldSelector = r?.fieldSelector?.rawSelector ?? (requirement && `${requirement.key}=${requirement.values?.[0]}`)
  return {
    user,
    verb: r?.verb ?? '',
    group: r?.group ?? '',
    version: r?.version ?? '*',
    resource: r?.resource ?? '',
    subresource: r?.subresource ?? '',
    namespace: r?.namespace ?? '',
    name: r?.name ?? '',
    path: '',
    ...(fieldSelector && { fieldSelector }),
  }
}

async function statusOf(authorization: Authorization, spec: Spec, user: UserInfo): Promise<object> {
  const { allowed, denied = false, reason, error = '' } = await authorization.authorize(attributesOf(spec, user))
  const unread = spec.resourceAttributes ? evaluationError(spec.resourceAttributes) : ''
  const why = unread || error
  return { allowed, ...(denied && { denied }), ...(reason && { reason }), ...(why && { evaluationError: why }) }
}

function userOf(spec: SubjectAccessReview['spec']): UserInfo {
  return { name: spec.user ?? '', ...(spec.uid && { uid: spec.uid }), groups: spec.groups ?? [], extra: spec.extra ?? {} }
}

function rulesStatus(rules: readonly PolicyRule[], user: UserInfo, asksOutside: boolean): object {
  const resourceRules = compactRules(rules.filter((r) => (r.resources ?? []).length > 0)).map(
    ({ verbs, apiGroups, resources, resourceNames }) => ({
      verbs,
      ...(apiGroups && { apiGroups }),
      ...(resources && { resources }),
      ...(resourceNames?.length && { resourceNames }),
    }),
  )
  const nonResourceRules = rules
    .filter((r) => (r.nonResourceURLs ?? []).length > 0)
    .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs }))
  // What the node authorizer lets a node do, and what webhooks let anybody do, is in no rule.
  const unsaid = [...(nodeNameOf(user) === undefined ? [] : ['node']), ...(asksOutside ? ['webhook'] : [])]
  const whys = unsaid.map((each) => `${each} authorizer does not support user rule resolution`)
  const why = whys.length > 1 ? `[${whys.join(', ')}]` : whys[0]
  return { resourceRules, nonResourceRules, incomplete: unsaid.length > 0, ...(why && { evaluationError: why }) }
}

/** By `group/resource`, as the registry takes resources without storage. */
export function accessReviews(authorization: Authorization, clock: Clock): [string, VirtualResource][] {
  const subjectAccessReview: VirtualResource = async (request) => {
    const { spec = {} } = (request.body ?? {}) as unknown as SubjectAccessReview
    check([...specErrors(spec), ...subjectErrors(spec), ...metadataErrors(reviewMetadata(request, clock.now()), false)])
    return reviewResult(request, await statusOf(authorization, spec, userOf(spec)), clock.now())
  }
  const localSubjectAccessReview: VirtualResource = async (request) => {
    const { spec = {} } = (request.body ?? {}) as unknown as LocalSubjectAccessReview
    const metadata = metadataErrors(reviewMetadata(request, clock.now()), true)
    check([...specErrors(spec), ...subjectErrors(spec), ...metadata, ...localErrors(spec, request.namespace)])
    return reviewResult(request, await statusOf(authorization, spec, userOf(spec)), clock.now())
  }
  const selfSubjectAccessReview: VirtualResource = async (request) => {
    const { spec = {} } = (request.body ?? {}) as unknown as SelfSubjectAccessReview
    check([...specErrors(spec), ...metadataErrors(reviewMetadata(request, clock.now()), false)])
    return reviewResult(request, await statusOf(authorization, spec, request.user), clock.now())
  }
  const selfSubjectRulesReview: VirtualResource = async (request) => {
    const { spec = {} } = (request.body ?? {}) as unknown as SelfSubjectRulesReview
    const { namespace } = spec
    if (!namespace) throw newBadRequest('no namespace on request')
    // What system:masters may beyond their binding is no rule: upstream tells of it nowhere, either.
    const rules = authorization.rbac.rulesFor(request.user, namespace)
    const object = {
      kind: request.resource.kind,
      apiVersion: 'authorization.k8s.io/v1',
      metadata: {},
      spec: {},
      status: rulesStatus(rules, request.user, authorization.asksOutside),
    }
    return { type: 'object', code: 201, object: object as unknown as JsonObject }
  }
  return [
    [`${GROUP}/subjectaccessreviews`, subjectAccessReview],
    [`${GROUP}/localsubjectaccessreviews`, localSubjectAccessReview],
    [`${GROUP}/selfsubjectaccessreviews`, selfSubjectAccessReview],
    [`${GROUP}/selfsubjectrulesreviews`, selfSubjectRulesReview],
  ]
}
