/** A container's requests and limits as cgroup settings. */
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import type { KubeletConfiguration } from '../configuration.ts'
import type { LinuxResources } from '../runtime/runtime.ts'
import { quantityMilli, quantityValue } from './amounts.ts'
import { oomScoreAdj } from './qos.ts'

const SHARES_PER_CPU = 1024
const MIN_SHARES = 2
const MAX_SHARES = 262_144
const PERIOD_US = 100_000
const MIN_QUOTA_US = 1000

/** What of the node and its configuration a container's settings depend on. */
export interface NodeLimits extends Pick<KubeletConfiguration, 'podPidsLimit' | 'cpuCfsQuota' | 'seccompDefault'> {
  memoryBytes: number
}

export function linuxResources(pod: Pod, container: Container, node: NodeLimits): LinuxResources {
  const { requests, limits } = container.resources ?? {}
  const cpuRequest = requests?.cpu ?? limits?.cpu
  const shares = cpuRequest ? Math.floor((quantityMilli(cpuRequest) * SHARES_PER_CPU) / 1000) : MIN_SHARES
  const cpuLimitMilli = limits?.cpu && node.cpuCfsQuota ? quantityMilli(limits.cpu) : 0
  const memoryLimitBytes = limits?.memory ? quantityValue(limits.memory) : 0
  return {
    cpuShares: Math.min(Math.max(shares, MIN_SHARES), MAX_SHARES),
    ...(cpuLimitMilli > 0 && { cpuQuotaUs: Math.max(MIN_QUOTA_US, (cpuLimitMilli * PERIOD_US) / 1000), cpuPeriodUs: PERIOD_US }),
    ...(memoryLimitBytes > 0 && { memoryLimitBytes }),
    pidsLimit: node.podPidsLimit,
    oomScoreAdj: oomScoreAdj(pod, container, node.memoryBytes),
  }
}
