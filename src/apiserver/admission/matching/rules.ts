/** Which requests a webhook or a policy is about: rules, selectors, and versions of a resource that mean the same. */
import type { Catalog, CatalogResource, GroupVersionKind } from '../../../api/catalog/catalog.ts'
import { namespaces } from '../../../api/kinds/core/v1.ts'
import type { NamedRuleWithOperations, RuleWithOperations } from '../../../api/kinds/admissionregistration/v1.ts'
import type { LabelSelector } from '../../../api/kinds/meta/v1.ts'
import { labelSelectorMatches } from '../../../api/selectors.ts'
import type { Labels } from '../../../api/selectors.ts'
import { newNotFound } from '../../../api/status.ts'
import type { StatusError } from '../../../api/status.ts'
import type { ObjectReader } from '../../registry/reader.ts'
import type { AdmissionRequest } from '../admission.ts'

export interface MatchCriteria {
  rules?: readonly (RuleWithOperations & Pick<NamedRuleWithOperations, 'resourceNames'>)[]
  excludeRules?: readonly (RuleWithOperations & Pick<NamedRuleWithOperations, 'resourceNames'>)[]
  /** No rules match everything (policies), or nothing (webhooks). */
  emptyMatches: boolean
  matchPolicy?: string
  namespaceSelector?: LabelSelector
  objectSelector?: LabelSelector
}

/** The version of the resource by which a request is matched. */
export interface Match {
  resource: CatalogResource
  kind: GroupVersionKind
}

/** Configuration of admission is never subject to admission by configuration: nobody could repair a broken one. */
const EXEMPT = new Set([
  'validatingwebhookconfigurations',
  'mutatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
])

export function isExempt({ requested }: AdmissionRequest): boolean {
  return requested.group === 'admissionregistration.k8s.io' && EXEMPT.has(requested.resource)
}

/** Requests on a namespace are in that namespace. */
export function namespaceOf({ namespace, name, requested }: AdmissionRequest): string {
  return namespace || (isNamespaces(requested) ? name : '')
}

const isNamespaces = ({ group, resource }: { group: string; resource: string }): boolean => group === '' && resource === 'namespaces'

const has = (items: readonly string[] | undefined, wanted: string): boolean =>
  items?.some((item) => item === '*' || item === wanted) ?? false

function matchesResource(patterns: readonly string[] | undefined, resource: string, subresource: string): boolean {
  return (patterns ?? []).some((pattern) => {
    const slash = pattern.indexOf('/')
    const [main, sub] = slash < 0 ? [pattern, ''] : [pattern.slice(0, slash), pattern.slice(slash + 1)]
    return (main === '*' || main === resource) && (sub === '*' || sub === subresource)
  })
}

function matchesScope(scope: string | undefined, request: AdmissionRequest): boolean {
  if (scope === undefined || scope === '*') return true
  const isNamespaced = !isNamespaces(request.requested) && namespaceOf(request) !== ''
  return scope === 'Namespaced' ? isNamespaced : scope === 'Cluster' && !isNamespaced
}

/** Whether a rule is about the request, taken as one for another version of its resource. */
export function matchesRule(rule: RuleWithOperations, request: AdmissionRequest, as: CatalogResource): boolean {
  return (
    matchesScope(rule.scope, request) &&
    has(rule.operations, request.operation) &&
    has(rule.apiGroups, as.group) &&
    has(rule.apiVersions, as.version) &&
    matchesResource(rule.resources, as.resource, request.subresource)
  )
}

/** Groups that serve the same objects. */
const COHABITING: Readonly<Record<string, readonly string[]>> = { events: ['', 'events.k8s.io'] }

function equivalents(catalog: Catalog, { requested, subresource }: AdmissionRequest): CatalogResource[] {
  const together = COHABITING[requested.resource]
  const groups = together?.includes(requested.group) ? together : [requested.group]
  return groups.flatMap((name) => {
    const versions = catalog.groups.find((group) => group.name === name)?.versions ?? []
    return versions.flatMap((version) => {
      const found = catalog.resource(name, version, requested.resource)
      if (!found || (found.group === requested.group && found.version === requested.version)) return []
      return !subresource || found.subresources.some((candidate) => candidate.name === subresource) ? [found] : []
    })
  })
}

type NamedRules = NonNullable<MatchCriteria['rules']>

function matchRules(rules: NamedRules, matchPolicy: string | undefined, request: AdmissionRequest, catalog: Catalog): Match | undefined {
  const isNamed = ({ resourceNames }: NamedRules[number]): boolean => !resourceNames?.length || resourceNames.includes(request.name)
  if (rules.some((rule) => matchesRule(rule, request, request.requested) && isNamed(rule))) {
    return { resource: request.requested, kind: request.kind }
  }
  if (matchPolicy !== 'Equivalent') return undefined
  const others = equivalents(catalog, request)
  for (const rule of rules) {
    const resource = others.find((other) => matchesRule(rule, request, other) && isNamed(rule))
    if (resource) return { resource, kind: kindIn(resource, request) }
  }
  return undefined
}

function kindIn(resource: CatalogResource, { subresource }: AdmissionRequest): GroupVersionKind {
  const { group, version, kind } = resource
  return resource.subresources.find((candidate) => candidate.name === subresource)?.kind ?? { group, version, kind }
}

const isEmptySelector = (selector: LabelSelector | undefined): boolean =>
  !selector || (Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0)

/** The labels of the request's namespace, or the answer that there is none. */
function namespaceLabels(request: AdmissionRequest, reader: ObjectReader): Labels | StatusError {
  const { requested, operation, object } = request
  if (isNamespaces(requested) && !request.subresource && (operation === 'CREATE' || operation === 'UPDATE')) return object?.metadata.labels
  const name = namespaceOf(request)
  const namespace = reader.get(namespaces, '', name)
  return namespace ? namespace.metadata.labels : newNotFound(namespaces, name)
}

function selectsNamespace(selector: LabelSelector | undefined, request: AdmissionRequest, reader: ObjectReader): boolean | StatusError {
  if (namespaceOf(request) === '' && !isNamespaces(request.requested)) return true
  if (isEmptySelector(selector)) return true
  const labels = namespaceLabels(request, reader)
  return labels instanceof Error ? labels : labelSelectorMatches(selector, labels)
}

function selectsObject(selector: LabelSelector | undefined, { object, oldObject }: AdmissionRequest): boolean {
  if (isEmptySelector(selector)) return true
  // What has no metadata (the options of a CONNECT) is selected by nothing.
  const selects = (candidate: typeof object): boolean =>
    candidate?.metadata !== undefined && labelSelectorMatches(selector, candidate.metadata.labels)
  return selects(object) || selects(oldObject)
}

/**
 * How a request is matched, undefined where it is not.
 * @throws StatusError 404 where it would be, but its namespace is not there to be selected.
 */
export function matchRequest(
  criteria: MatchCriteria,
  request: AdmissionRequest,
  { catalog, reader }: { catalog: Catalog; reader: ObjectReader },
): Match | undefined {
  const byNamespace = selectsNamespace(criteria.namespaceSelector, request, reader)
  if (byNamespace === false || !selectsObject(criteria.objectSelector, request)) return undefined
  const { rules = [], excludeRules = [], matchPolicy, emptyMatches } = criteria
  if (excludeRules.length > 0 && matchRules(excludeRules, matchPolicy, request, catalog)) return undefined
  const isAll = emptyMatches && rules.length === 0
  const match = isAll ? { resource: request.requested, kind: request.kind } : matchRules(rules, matchPolicy, request, catalog)
  if (match && byNamespace !== true) throw byNamespace
  return match
}
