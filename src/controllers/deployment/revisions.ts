/** The templates that a Deployment has had, each kept by a ReplicaSet with its number, and the way back to one of them. */
import type { Deployment, ReplicaSet } from '../../api/kinds/apps/v1.ts'
import type { PodTemplateSpec } from '../../api/kinds/core/v1.ts'
import { semanticallyEqual } from '../hash.ts'
import { DESIRED_REPLICAS, MAX_REPLICAS, olderFirst } from './replicaCounts.ts'

export const REVISION = 'deployment.kubernetes.io/revision'
export const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history'
export const POD_TEMPLATE_HASH = 'pod-template-hash'
/** Asks to go back to a revision, 0 for the one before: left from extensions/v1beta1. */
const ROLLBACK_TO = 'deprecated.deployment.rollback.to'
/** Not handed on from a Deployment to its ReplicaSets. */
const OWN_ANNOTATIONS = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  ROLLBACK_TO,
])

export function templateWithoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec {
  const { [POD_TEMPLATE_HASH]: _, ...labels } = template?.metadata?.labels ?? {}
  const { creationTimestamp: __, ...metadata } = template?.metadata ?? {}
  return { metadata: { ...metadata, labels }, spec: template?.spec }
}

/** The ReplicaSet of the current template, the oldest if there are several. */
export function findCurrent(deployment: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = templateWithoutHash(deployment.spec.template)
  return replicaSets.toSorted(olderFirst).find((rs) => semanticallyEqual(templateWithoutHash(rs.spec.template), wanted))
}

const MAX_REVISION = 2n ** 63n - 1n

/** An int64 that people set, too: beyond what a double counts exactly. What is none counts as 0. */
export function revisionOf(object: { metadata: { annotations?: Record<string, string> } }): bigint {
  const text = object.metadata.annotations?.[REVISION] ?? ''
  const revision = /^[+-]?\d{1,19}$/.test(text) ? BigInt(text) : 0n
  return revision <= MAX_REVISION ? revision : 0n
}

export function inherited({ metadata }: { metadata: { annotations?: Record<string, string> } }): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata.annotations ?? {}).filter(([key]) => !OWN_ANNOTATIONS.has(key)))
}

export function highest(revisions: readonly bigint[]): bigint {
  return revisions.reduce((most, each) => (each > most ? each : most))
}

export interface Rollback {
  /** What is written: with the revision's template and annotations, if it was found, and without the request. */
  deployment: Deployment
  event: { type: 'Normal' | 'Warning'; reason: string; message: string }
}

/**
 * Undefined where nobody asks, or it has to wait (a pause) or comes too late. A request whose revision is not there, or is the
 * current one, is told and forgotten.
 */
export function planRollback(deployment: Deployment, replicaSets: readonly ReplicaSet[]): Rollback | undefined {
  if (deployment.metadata.deletionTimestamp !== undefined || deployment.spec.paused) return undefined
  const { [ROLLBACK_TO]: request = '', ...annotations } = deployment.metadata.annotations ?? {}
  if (!/^[+-]?\d{1,19}$/.test(request)) return undefined
  const answered: Deployment = { ...deployment, metadata: { ...deployment.metadata, annotations } }
  const warning = (reason: string, message: string): Rollback => ({ deployment: answered, event: { type: 'Warning', reason, message } })
  const revision = BigInt(request) || lastRevision(deployment, replicaSets)
  if (revision === 0n) return warning('DeploymentRollbackRevisionNotFound', 'Unable to find last revision.')
  const target = replicaSets.find((rs) => revisionOf(rs) === revision)
  if (!target) return warning('DeploymentRollbackRevisionNotFound', 'Unable to find the revision to rollback to.')
  if (target === findCurrent(deployment, replicaSets)) {
    const { name } = deployment.metadata
    return warning(
      'DeploymentRollbackTemplateUnchanged',
      `The rollback revision contains the same template as current deployment "${name}"`,
    )
  }
  const kept = Object.entries(annotations).filter(([key]) => OWN_ANNOTATIONS.has(key))
  const message = `Rolled back deployment "${deployment.metadata.name}" to revision ${revision}`
  return {
    deployment: {
      ...answered,
      metadata: { ...answered.metadata, annotations: { ...Object.fromEntries(kept), ...inherited(target) } },
      spec: { ...deployment.spec, template: templateWithoutHash(target.spec.template) },
    },
    event: { type: 'Normal', reason: 'DeploymentRollback', message },
  }
}

/** The one before the current one, 0 if there is none. A template without a ReplicaSet would get the next number. */
function lastRevision(deployment: Deployment, replicaSets: readonly ReplicaSet[]): bigint {
  const revisions = replicaSets.map(revisionOf).toSorted((a, b) => (a < b ? 1 : -1))
  return (findCurrent(deployment, replicaSets) ? revisions[1] : revisions[0]) ?? 0n
}
