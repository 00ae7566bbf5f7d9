/** What of a plan a sync does, and when the pod is to be looked at again. Pure. */
import type { Pod, PodStatus } from '../../api/kinds/core/v1.ts'
import { allContainers, readySandbox, type PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import type { PodActions } from './podActions.ts'

export interface SyncChanges {
  /** Anything at all. */
  any: boolean
  /** Of containers, or of the pod as a whole. */
  resizes: boolean
  starts: boolean
}

/** `isWholeDue`: the pod's own limits are not those of its spec. A pod without a sandbox has none yet. */
export function changesOf(plan: PodActions, observed: PodRuntimeStatus, isWholeDue: boolean): SyncChanges {
  const resizes = plan.resize.length > 0 || (!plan.killPod && readySandbox(observed) !== undefined && isWholeDue)
  const starts = plan.createSandbox || plan.start.length > 0
  return { any: plan.killPod || starts || plan.kill.length > 0 || resizes, resizes, starts }
}

/** Whether what was done makes the next step possible, which is then taken at once. */
export function isNextDue(plan: PodActions, observed: PodRuntimeStatus, failedStarts: number): boolean {
  if (failedStarts > 0) return false
  // Regular containers are the last that start.
  if (!plan.start.every(({ kind }) => kind === 'regular')) return true
  const starts = plan.createSandbox || plan.start.length > 0
  const ran = readySandbox(observed) !== undefined || allContainers(observed).some(({ state }) => state === 'Running')
  return plan.kill.length > 0 || (plan.killPod && !starts && ran)
}

/** When the pod has been active for as long as it may be; in ms since the epoch. */
export function deadlineMsOf({ spec }: Pod, { startTime }: PodStatus): number | undefined {
  const seconds = spec?.activeDeadlineSeconds
  return seconds === undefined || !startTime ? undefined : Date.parse(startTime) + seconds * 1000
}

export function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined)
  return known.length > 0 ? Math.min(...known) : undefined
}
