/** PodResizePending and PodResizeInProgress: what became of a change of a running pod's requests and limits. Pure. */
import { timestamp } from '../../api/meta.ts'
import type { PodCondition, PodStatus, ResourceRequirements } from '../../api/kinds/core/v1.ts'

export const RESIZE_CONDITIONS: readonly string[] = ['PodResizePending', 'PodResizeInProgress']

export interface PendingResize {
  reason: 'Deferred' | 'Infeasible'
  message: string
  generation: number
}

export interface ResizeState {
  /** The spec asks for what the pod was not given. */
  pending?: PendingResize
  /** Why a container could not be changed. */
  error?: string
  /** What the pod as a whole has, as long as that is not what it was given. */
  wholeInForce?: ResourceRequirements
  /** Of the pod that the resize under way is for. */
  generation?: number
}

export interface ResizeConditionsInput extends ResizeState {
  /** A running container does not have yet what the pod was given. */
  inProgress: boolean
  podGeneration: number | undefined
  before: readonly PodCondition[]
  nowMs: number
}

export function isResizing(status: PodStatus): boolean {
  return status.conditions?.some(({ type }) => type === 'PodResizeInProgress') ?? false
}

export function resizeConditions(input: ResizeConditionsInput): PodCondition[] {
  const { pending, error, inProgress, before, nowMs, podGeneration } = input
  const conditions: PodCondition[] = []
  const add = (type: string, why: { reason?: string; message?: string }, generation: number | undefined): void => {
    const old = before.find((condition) => condition.type === type)
    const same = old !== undefined && old.reason === why.reason
    conditions.push({
      type,
      status: 'True',
      ...why,
      lastTransitionTime: (same ? old.lastTransitionTime : undefined) ?? timestamp(nowMs),
      ...(generation !== undefined && { observedGeneration: generation }),
    })
  }
  if (pending) add('PodResizePending', { reason: pending.reason, message: pending.message }, pending.generation)
  if (inProgress) {
    const since = before.find((condition) => condition.type === 'PodResizeInProgress')?.observedGeneration
    const why = error === undefined ? {} : { reason: 'Error', message: error }
    add('PodResizeInProgress', why, input.generation ?? since ?? podGeneration)
  }
  return conditions
}
