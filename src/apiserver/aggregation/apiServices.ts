/** What APIServices say of groups and versions: who serves them, and in which order clients see them. Pure. */
import type { APIService } from '../../api/kinds/apiregistration/v1.ts'
import { findCondition } from '../../api/meta.ts'

export const AUTOMANAGED_LABEL = 'kube-aggregator.kubernetes.io/automanaged'
export const DEFAULT_SERVICE_PORT = 443

export interface ServiceAt {
  namespace: string
  name: string
  port: number
}

/** The service behind an APIService; undefined where this server answers itself. */
export function serviceOf({ spec }: APIService): ServiceAt | undefined {
  if (!spec.service) return undefined
  return { namespace: spec.service.namespace ?? '', name: spec.service.name ?? '', port: spec.service.port ?? DEFAULT_SERVICE_PORT }
}

export function isAvailable(service: APIService): boolean {
  return findCondition(service.status?.conditions, 'Available')?.status === 'True'
}

export function apiServiceName(group: string, version: string): string {
  return `${version}.${group}`
}

interface KubeVersion {
  /** GA 3, beta 2, alpha 1, anything else 0. */
  stage: number
  major: number
  minor: number
}

const STAGES: Readonly<Record<string, number>> = { alpha: 1, beta: 2 }

function parseVersion(version: string): KubeVersion {
  const match = /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/.exec(version)
  if (!match) return { stage: 0, major: 0, minor: 0 }
  return { stage: match[2] ? (STAGES[match[2]] as number) : 3, major: Number(match[1]), minor: Number(match[3] ?? 0) }
}

/** Newest and most stable first: v2, v1, v2beta1, v1beta2, v1alpha1, and what is no such version after them by its name. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parseVersion(a), parseVersion(b)]
  const byParts = right.stage - left.stage || right.major - left.major || right.minor - left.minor
  if (byParts !== 0 || left.stage > 0) return byParts
  return a < b ? -1 : a > b ? 1 : 0
}

export interface OrderedGroup {
  name: string
  versions: string[]
}

const compareNames = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Groups by the highest priority that one of their versions gives them, versions by their own. */
export function orderGroups(services: Iterable<APIService>): OrderedGroup[] {
  const byGroup = new Map<string, APIService[]>()
  const sorted = [...services].sort(
    (a, b) => b.spec.groupPriorityMinimum - a.spec.groupPriorityMinimum || compareNames(a.metadata.name, b.metadata.name),
  )
  for (const service of sorted) {
    const group = service.spec.group ?? ''
    byGroup.set(group, [...(byGroup.get(group) ?? []), service])
  }
  return [...byGroup].map(([name, members]) => ({
    name,
    versions: members
      .sort((a, b) => b.spec.versionPriority - a.spec.versionPriority || compareVersions(a.spec.version ?? '', b.spec.version ?? ''))
      .map(({ spec }) => spec.version ?? ''),
  }))
}
