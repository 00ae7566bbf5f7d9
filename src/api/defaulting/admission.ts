/** What extends the API server: webhooks, admission policies, custom resource definitions, aggregated APIs, flow control. */
import type * as admission from '../kinds/admissionregistration/v1.ts'
import type * as apiextensions from '../kinds/apiextensions/v1.ts'
import type * as flowcontrol from '../kinds/flowcontrol/v1.ts'
import { rule, type Rules } from './rules.ts'

const WEBHOOK_TIMEOUT_SECONDS = 10
const HTTPS_PORT = 443

function defaultWebhook(webhook: admission.ValidatingWebhook | admission.MutatingWebhook): void {
  webhook.failurePolicy ??= 'Fail'
  webhook.matchPolicy ??= 'Equivalent'
  webhook.namespaceSelector ??= {}
  webhook.objectSelector ??= {}
  webhook.timeoutSeconds ??= WEBHOOK_TIMEOUT_SECONDS
}

function defaultCustomResourceDefinition(definition: apiextensions.CustomResourceDefinition): void {
  const { names } = definition.spec
  if (names) {
    names.singular ||= (names.kind ?? '').toLowerCase()
    if (names.kind) names.listKind ||= `${names.kind}List`
  }
  definition.spec.conversion ??= { strategy: 'None' }
  const status = (definition.status ??= {})
  const stored = definition.spec.versions?.find((v) => v.storage)
  if (!status.storedVersions?.length && stored) status.storedVersions = [stored.name]
}

const port = rule<{ port?: number }>((reference) => void (reference.port ??= HTTPS_PORT))
const failurePolicy = rule<{ failurePolicy?: string }>((spec) => void (spec.failurePolicy ??= 'Fail'))
const scope = rule<{ scope?: string }>((r) => void (r.scope ??= '*'))

const ADMISSION = 'io.k8s.api.admissionregistration.v1'
const FLOWCONTROL = 'io.k8s.api.flowcontrol.v1'

export const admissionRules: Rules = {
  [`${ADMISSION}.ValidatingWebhook`]: rule(defaultWebhook),
  [`${ADMISSION}.MutatingWebhook`]: rule<admission.MutatingWebhook>((webhook) => {
    defaultWebhook(webhook)
    webhook.reinvocationPolicy ??= 'Never'
  }),
  [`${ADMISSION}.RuleWithOperations`]: scope,
  [`${ADMISSION}.NamedRuleWithOperations`]: scope,
  [`${ADMISSION}.ServiceReference`]: port,
  [`${ADMISSION}.ValidatingAdmissionPolicySpec`]: failurePolicy,
  [`${ADMISSION}.MutatingAdmissionPolicySpec`]: failurePolicy,
  [`${ADMISSION}.MatchResources`]: rule<admission.MatchResources>((match) => {
    match.matchPolicy ??= 'Equivalent'
    match.namespaceSelector ??= {}
    match.objectSelector ??= {}
  }),
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition': rule(defaultCustomResourceDefinition),
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference': port,
  'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference': port,
  [`${FLOWCONTROL}.FlowSchemaSpec`]: rule<flowcontrol.FlowSchemaSpec>((spec) => void (spec.matchingPrecedence ||= 1000)),
  [`${FLOWCONTROL}.ExemptPriorityLevelConfiguration`]: rule<flowcontrol.ExemptPriorityLevelConfiguration>((exempt) => {
    exempt.nominalConcurrencyShares ??= 0
    exempt.lendablePercent ??= 0
  }),
  [`${FLOWCONTROL}.LimitedPriorityLevelConfiguration`]: rule<flowcontrol.LimitedPriorityLevelConfiguration>((limited) => {
    limited.nominalConcurrencyShares ??= 30
    limited.lendablePercent ??= 0
  }),
  [`${FLOWCONTROL}.QueuingConfiguration`]: rule<flowcontrol.QueuingConfiguration>((queuing) => {
    queuing.handSize ||= 8
    queuing.queues ||= 64
    queuing.queueLengthLimit ||= 50
  }),
}
