/** A container's requests and limits as cgroup settings. */
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import type { KubeletConfiguration } from '../configuration.ts'
import type { LinuxResources } from '../runtime/runtime.ts'
import { quantityMilli, quantityValue } from '../pods/amounts.ts'
import { oomScoreAdj } from './qos.ts'

const SHARES_PER_CPU = 1024
export const MIN_SHARES = 2
const MAX_SHARES = 262_144
const PERIOD_US = 100_000
const MIN_QUOTA_US = 1000

/** What of the node and its configuration a container's settings depend on. */
export interface NodeLimits extends Pick<KubeletConfiguration, 'podPidsLimit' | 'cpuCfsQuota' | 'seccompDefault'> {
  memoryBytes: number
}

export function cpuShares(milli: number): number {
  return Math.min(Math.max(Math.floor((milli * SHARES_PER_CPU) / 1000), MIN_SHARES), MAX_SHARES)
}

export function cpuQuota(milli: number): { cpuQuotaUs: number; cpuPeriodUs: number } {
  return { cpuQuotaUs: Math.max(MIN_QUOTA_US, (milli * PERIOD_US) / 1000), cpuPeriodUs: PERIOD_US }
}

/** A container that has no limit has the pod's. */
export function linuxResources(pod: Pod, container: Container, node: NodeLimits): LinuxResources {
  const { requests, limits: own } = container.resources ?? {}
  const limits = { ...pod.spec?.resources?.limits, ...own }
  const cpuRequest = requests?.cpu ?? limits.cpu
  const cpuLimitMilli = limits.cpu && node.cpuCfsQuota ? quantityMilli(limits.cpu) : 0
  const memoryLimitBytes = limits.memory ? quantityValue(limits.memory) : 0
  return {
    cpuShares: cpuShares(cpuRequest ? quantityMilli(cpuRequest) : 0),
    ...(cpuLimitMilli > 0 && cpuQuota(cpuLimitMilli)),
    ...(memoryLimitBytes > 0 && { memoryLimitBytes }),
    pidsLimit: node.podPidsLimit,
    oomScoreAdj: oomScoreAdj(pod, container, node.memoryBytes),
  }
}
