/** Webhooks of all configurations in the order in which they are asked, each ready to be matched. */
import { withDecisions } from '../../authorization/pending.ts'
import type { MutatingWebhook, ValidatingWebhook } from '../../../api/kinds/admissionregistration/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import { newForbidden, newInternalError } from '../../../api/status.ts'
import type { Catalog } from '../../../api/catalog/catalog.ts'
import type { Environment } from '../../../cel/program.ts'
import type { ObjectReader } from '../../registry/reader.ts'
import type { Authorizer } from '../../request.ts'
import { environmentOf } from '../../../cel/admissionExpressions.ts'
import { expressionInput } from '../expressions/evaluation.ts'
import { MatchConditions } from '../expressions/matchConditions.ts'
import type { AdmissionRequest } from '../admission.ts'
import { matchRequest } from '../matching/rules.ts'
import type { Match, MatchCriteria } from '../matching/rules.ts'
import type { VersionedObjects } from '../matching/versionedObjects.ts'
import type { AdmissionObserver } from '../observer.ts'

export type AnyWebhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>

export interface Hook {
  webhook: AnyWebhook
  configuration: string
  /** Tells it from all others, also of its own name. */
  uid: string
  criteria: MatchCriteria
  conditions?: MatchConditions
}

export interface MatchContext {
  catalog: Catalog
  reader: ObjectReader
  authorizer: Authorizer
}

interface Configuration extends KubeObject {
  webhooks?: AnyWebhook[]
}

const ENVIRONMENT: Environment = environmentOf({ hasParams: false, hasAuthorizer: true })
/** Objects of the cache never change, so what was made of one holds as long as it. */
const hooksOf = new WeakMap<KubeObject, readonly Hook[]>()

function prepare(configuration: Configuration): readonly Hook[] {
  const { name } = configuration.metadata
  const timesNamed = new Map<string, number>()
  return (configuration.webhooks ?? []).map((webhook) => {
    const { rules = [], matchPolicy, namespaceSelector, objectSelector, matchConditions = [], failurePolicy } = webhook
    const nth = timesNamed.get(webhook.name) ?? 0
    timesNamed.set(webhook.name, nth + 1)
    return {
      webhook,
      configuration: name,
      uid: `${name}/${webhook.name}/${nth}`,
      criteria: {
        rules,
        emptyMatches: false,
        ...(matchPolicy && { matchPolicy }),
        ...(namespaceSelector && { namespaceSelector }),
        ...(objectSelector && { objectSelector }),
      },
      ...(matchConditions.length > 0 && { conditions: new MatchConditions(matchConditions, ENVIRONMENT, failurePolicy) }),
    }
  })
}

/** In the order of the configurations' names. */
export function orderedHooks(configurations: readonly KubeObject[]): Hook[] {
  const sorted =
    configurations.length > 1 ? configurations.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)) : configurations
  return sorted.flatMap((configuration) => {
    let hooks = hooksOf.get(configuration)
    if (!hooks) hooksOf.set(configuration, (hooks = prepare(configuration)))
    return hooks
  })
}

/** How the hook is to be called, undefined where it is not. Throws StatusErrors where that cannot be told. */
export async function matchHook(
  hook: Hook,
  request: AdmissionRequest,
  objects: VersionedObjects,
  context: MatchContext,
  observed: { observer: AdmissionObserver; type: 'admit' | 'validating' },
): Promise<Match | undefined> {
  const match = matchRequest(hook.criteria, request, context)
  if (!match || !hook.conditions) return match
  const view = await objects.view(match).catch((error: unknown) => {
    throw newInternalError(error instanceof Error ? error.message : String(error))
  })
  const { conditions } = hook
  const input = expressionInput({ request, match, view, authorizer: context.authorizer })
  const { matches, error } = await withDecisions(() => conditions.decide(input))
  if (error !== undefined) throw newForbidden(request.requested, request.name, error)
  if (matches) return match
  observed.observer.matchConditionExcluded(hook.webhook.name, 'webhook', observed.type, request.operation)
  return undefined
}
