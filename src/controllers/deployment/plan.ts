/** One pass over a Deployment as data: which ReplicaSets to create, size, mark and delete, and the status to report. */
import type { Deployment, DeploymentStatus, ReplicaSet } from '../../api/kinds/apps/v1.ts'
import { deployments } from '../../api/kinds/apps/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { newControllerRef } from '../../api/meta.ts'
import type { Draft } from '../../api/resource.ts'
import { hasFinished } from '../../api/pods.ts'
import { safeHash, semanticallyEqual } from '../hash.ts'
import {
  DESIRED_REPLICAS,
  fenceposts,
  isObserved,
  isScaling,
  MAX_REPLICAS,
  newReplicas,
  olderFirst,
  replicasOf,
  scale,
  shrinkOld,
  type Resize,
} from './replicaCounts.ts'
import {
  findCurrent,
  highest,
  inherited,
  POD_TEMPLATE_HASH,
  REVISION,
  REVISION_HISTORY,
  revisionOf,
  templateWithoutHash,
} from './revisions.ts'
import { isComplete, planStatus } from './status.ts'

export interface DeploymentInput {
  deployment: Deployment
  /** All that it owns. */
  replicaSets: readonly ReplicaSet[]
  /** Of those ReplicaSets. */
  pods: readonly Pod[]
  nowMs: number
}

export interface ReplicaSetUpdate {
  replicaSet: ReplicaSet
  replicas: number
  annotations: Record<string, string>
  minReadySeconds: number
}

export interface DeploymentPlan {
  create?: Draft<ReplicaSet>
  updates: ReplicaSetUpdate[]
  remove: ReplicaSet[]
  /** The Deployment's own revision annotation, where it must change. */
  revision?: string
  status: DeploymentStatus
  recheckAfterMs?: number
}

function sizeMarks(deployment: Deployment): Record<string, string> {
  const replicas = replicasOf(deployment)
  return { [DESIRED_REPLICAS]: String(replicas), [MAX_REPLICAS]: String(replicas + fenceposts(deployment).maxSurge) }
}

/** Annotations of the current ReplicaSet: the Deployment's, and its own revision, with those it had before. */
function currentAnnotations(deployment: Deployment, rs: ReplicaSet, revision: bigint): Record<string, string> {
  const annotations = { ...rs.metadata.annotations, ...inherited(deployment) }
  const before = revisionOf(rs)
  if (before >= revision) return annotations
  annotations[REVISION] = String(revision)
  if (before > 0n) {
    const history = annotations[REVISION_HISTORY]?.split(',').filter(Boolean) ?? []
    annotations[REVISION_HISTORY] = [...history, String(before)].join(',')
  }
  return annotations
}

function newReplicaSet(deployment: Deployment, revision: bigint, replicas: number): Draft<ReplicaSet> {
  const { spec, metadata, status } = deployment
  const hash = safeHash(templateWithoutHash(spec.template), status?.collisionCount)
  const labels = { ...spec.template.metadata?.labels, [POD_TEMPLATE_HASH]: hash }
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${metadata.name}-${hash}`,
      namespace: metadata.namespace,
      labels,
      annotations: { ...inherited(deployment), ...sizeMarks(deployment), [REVISION]: String(revision) },
      ownerReferences: [newControllerRef(deployment, deployments)],
    },
    spec: {
      replicas,
      ...(spec.minReadySeconds !== undefined && { minReadySeconds: spec.minReadySeconds }),
      selector: { ...spec.selector, matchLabels: { ...spec.selector.matchLabels, [POD_TEMPLATE_HASH]: hash } },
      template: { ...spec.template, metadata: { ...spec.template.metadata, labels } },
    },
  }
}

function expired(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet[] {
  const limit = deployment.spec.revisionHistoryLimit ?? 10
  const idle = old.filter((rs) => {
    const settled = (rs.metadata.generation ?? 0) <= (rs.status?.observedGeneration ?? 0)
    return replicasOf(rs) === 0 && (rs.status?.replicas ?? 0) === 0 && settled && rs.metadata.deletionTimestamp === undefined
  })
  return idle.toSorted((a, b) => Number(revisionOf(a) - revisionOf(b)) || olderFirst(a, b)).slice(0, Math.max(0, idle.length - limit))
}

function resizes(
  { deployment, replicaSets, pods }: DeploymentInput,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Resize[] {
  if (deployment.spec.paused || isScaling(deployment, replicaSets)) return scale(deployment, current, old)
  if (deployment.spec.strategy?.type === 'Recreate') {
    const running = old.filter((rs) => replicasOf(rs) > 0)
    if (running.length > 0) return running.map((replicaSet) => ({ replicaSet, replicas: 0 }))
    if (!current || oldPodsRun(pods, old)) return []
    return replicasOf(current) === replicasOf(deployment) ? [] : [{ replicaSet: current, replicas: replicasOf(deployment) }]
  }
  if (current) {
    const replicas = newReplicas(deployment, replicaSets, replicasOf(current))
    if (replicas !== replicasOf(current)) return [{ replicaSet: current, replicas }]
  }
  return shrinkOld(deployment, current, old)
}

/** A ReplicaSet that has not seen its last size may be making pods still; what it has made may not show here yet. */
function oldPodsRun(pods: readonly Pod[], old: readonly ReplicaSet[]): boolean {
  if (old.some((rs) => !isObserved(rs) || (rs.status?.replicas ?? 0) > 0 || (rs.status?.terminatingReplicas ?? 0) > 0)) return true
  const uids = new Set(old.map((rs) => rs.metadata.uid))
  return pods.some(
    (pod) => !hasFinished(pod) && pod.metadata.ownerReferences?.some((reference) => reference.controller && uids.has(reference.uid)),
  )
}

function mayCreate({ deployment, replicaSets, pods }: DeploymentInput): boolean {
  if (deployment.spec.paused || isScaling(deployment, replicaSets)) return false
  if (deployment.spec.strategy?.type !== 'Recreate') return true
  return replicaSets.every((rs) => replicasOf(rs) === 0) && !oldPodsRun(pods, replicaSets)
}

export function planDeployment(input: DeploymentInput): DeploymentPlan {
  const { deployment, replicaSets, nowMs } = input
  const current = findCurrent(deployment, replicaSets)
  const old = replicaSets.filter((rs) => rs !== current)
  if (deployment.metadata.deletionTimestamp !== undefined) {
    return { updates: [], remove: [], ...planStatus({ deployment, current, old, nowMs }) }
  }
  const revision = highest([0n, ...old.map(revisionOf)]) + 1n
  const create = current || !mayCreate(input) ? undefined : newReplicaSet(deployment, revision, newReplicas(deployment, replicaSets, 0))
  const sizes = new Map(resizes(input, current, old).map(({ replicaSet, replicas }) => [replicaSet, replicas]))
  const updates: ReplicaSetUpdate[] = []
  for (const rs of replicaSets) {
    const replicas = sizes.get(rs) ?? replicasOf(rs)
    const base = rs === current ? currentAnnotations(deployment, rs, revision) : { ...rs.metadata.annotations }
    const sized = sizes.has(rs) || (replicas > 0 && isScaling(deployment, [rs]))
    const annotations = sized ? { ...base, ...sizeMarks(deployment) } : base
    const minReadySeconds = rs === current ? (deployment.spec.minReadySeconds ?? 0) : (rs.spec.minReadySeconds ?? 0)
    const same =
      replicas === replicasOf(rs) &&
      minReadySeconds === (rs.spec.minReadySeconds ?? 0) &&
      semanticallyEqual(annotations, rs.metadata.annotations)
    if (!same) updates.push({ replicaSet: rs, replicas, annotations, minReadySeconds })
  }
  const report = planStatus({ deployment, current, old, nowMs, ...(create?.metadata.name && { created: create.metadata.name }) })
  const reached = current ? highest([revision, revisionOf(current)]) : create ? revision : 0n
  const annotated = reached > 0n && reached !== revisionOf(deployment)
  return {
    ...(create && { create }),
    updates,
    remove: deployment.spec.paused || isComplete(deployment, report.status) ? expired(deployment, old) : [],
    ...(annotated && { revision: String(reached) }),
    ...report,
  }
}
