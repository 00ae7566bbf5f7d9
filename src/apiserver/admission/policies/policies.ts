/** Policies with their bindings, in the order of their names, each with what was compiled of it. */
import type { Catalog } from '../../../api/catalog/catalog.ts'
import type { MatchCondition, MatchResources, ParamKind, ParamRef, Variable } from '../../../api/kinds/admissionregistration/v1.ts'
import { namespaces } from '../../../api/kinds/core/v1.ts'
import type { Namespace } from '../../../api/kinds/core/v1.ts'
import type { KubeObject, Resource } from '../../../api/resource.ts'
import { newNotFound } from '../../../api/status.ts'
import type { ObjectReader } from '../../registry/reader.ts'
import type { Authorizer } from '../../request.ts'
import type { AdmissionRequest } from '../admission.ts'
import { matchRequest, namespaceOf } from '../matching/rules.ts'
import type { Match, MatchCriteria } from '../matching/rules.ts'
import type { AdmissionObserver } from '../observer.ts'
import type { ParamObjects } from './params.ts'

export interface PolicyOptions {
  catalog: Catalog
  reader: ObjectReader
  authorizer: Authorizer
  params: ParamObjects
  observer: () => AdmissionObserver
  now: () => number
}

/** What both kinds of policies say. */
export interface AnyPolicySpec {
  failurePolicy?: string
  matchConditions?: MatchCondition[]
  matchConstraints?: MatchResources
  paramKind?: ParamKind
  variables?: Variable[]
}

export interface AnyPolicy extends KubeObject {
  spec: AnyPolicySpec
}

export interface AnyBinding extends KubeObject {
  spec: { policyName?: string; paramRef?: ParamRef; matchResources?: MatchResources }
}

const byName = <T extends KubeObject>(objects: readonly T[]): T[] =>
  objects.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))

/** Policies that no binding names do nothing. */
export function boundPolicies<P extends AnyPolicy, B extends AnyBinding>(
  reader: ObjectReader,
  policies: Resource<P>,
  bindings: Resource<B>,
): { policy: P; bindings: B[] }[] {
  const all = reader.list(policies)
  if (all.length === 0) return []
  const bound = byName(reader.list(bindings))
  return byName(all).flatMap((policy) => {
    const own = bound.filter(({ spec }) => spec.policyName === policy.metadata.name)
    return own.length > 0 ? [{ policy, bindings: own }] : []
  })
}

export function criteriaOf(resources: MatchResources | undefined): MatchCriteria {
  const { resourceRules, excludeResourceRules, matchPolicy, namespaceSelector, objectSelector } = resources ?? {}
  return {
    emptyMatches: true,
    ...(resourceRules && { rules: resourceRules }),
    ...(excludeResourceRules && { excludeRules: excludeResourceRules }),
    ...(matchPolicy && { matchPolicy }),
    ...(namespaceSelector && { namespaceSelector }),
    ...(objectSelector && { objectSelector }),
  }
}

/** A policy is about nothing before it says what it is about. */
export function matchPolicy({ spec }: AnyPolicy, request: AdmissionRequest, options: PolicyOptions): Match | undefined {
  return spec.matchConstraints && matchRequest(criteriaOf(spec.matchConstraints), request, options)
}

export function matchesBinding({ spec }: AnyBinding, request: AdmissionRequest, options: PolicyOptions): boolean {
  return !spec.matchResources || matchRequest(criteriaOf(spec.matchResources), request, options) !== undefined
}

/** For `namespaceObject`; undefined for what is in none. Throws a 404 where it is gone. */
export function namespaceObjectOf(request: AdmissionRequest, reader: ObjectReader): Namespace | undefined {
  const { requested } = request
  const name = requested.group === '' && requested.resource === 'namespaces' ? '' : namespaceOf(request)
  if (!name) return undefined
  const namespace = reader.get(namespaces, '', name)
  if (!namespace) throw newNotFound(namespaces, name)
  return namespace
}
