/** How long pods get at a shutdown of their node, by priority: what was set, in one form. Nothing unless something was set. */
import type { ComponentOptions } from './componentOptions.ts'
import type { PriorityPeriod } from './componentOptionValues.ts'

const SYSTEM_CRITICAL = 2_000_000_000

/** The least important first: they end first. */
export function shutdownPeriods(options: ComponentOptions['kubelet']): PriorityPeriod[] {
  const { shutdownGracePeriod = 0, shutdownGracePeriodCriticalPods = 0, shutdownGracePeriodByPodPriority = [] } = options
  if (shutdownGracePeriodByPodPriority.length > 0) return shutdownGracePeriodByPodPriority.toSorted((a, b) => a.priority - b.priority)
  if (shutdownGracePeriod === 0) return []
  const criticalSeconds = Math.trunc(shutdownGracePeriodCriticalPods / 1000)
  const seconds = Math.trunc((shutdownGracePeriod - shutdownGracePeriodCriticalPods) / 1000)
  return [
    { priority: 0, seconds },
    { priority: SYSTEM_CRITICAL, seconds: criticalSeconds },
  ]
}

/** All of them one after the other. */
export function shutdownSeconds(options: ComponentOptions['kubelet']): number {
  return shutdownPeriods(options).reduce((sum, { seconds }) => sum + seconds, 0)
}
