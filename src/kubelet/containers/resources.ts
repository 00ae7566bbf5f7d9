/** A container's requests and limits as cgroup settings. */
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import type { LinuxResources } from '../runtime/runtime.ts'
import { quantityMilli, quantityValue } from './amounts.ts'
import { oomScoreAdj } from './qos.ts'

const SHARES_PER_CPU = 1024
const MIN_SHARES = 2
const MAX_SHARES = 262_144
const PERIOD_US = 100_000
const MIN_QUOTA_US = 1000
/** Upstream sets none unless told to, and a pod that forks without end takes the whole machine with it: here that is somebody's laptop. */
export const MAX_CONTAINER_PIDS = 4096

export function linuxResources(pod: Pod, container: Container, nodeMemoryBytes: number): LinuxResources {
  const { requests, limits } = container.resources ?? {}
  const cpuRequest = requests?.cpu ?? limits?.cpu
  const shares = cpuRequest ? Math.floor((quantityMilli(cpuRequest) * SHARES_PER_CPU) / 1000) : MIN_SHARES
  const cpuLimitMilli = limits?.cpu ? quantityMilli(limits.cpu) : 0
  const memoryLimitBytes = limits?.memory ? quantityValue(limits.memory) : 0
  return {
    cpuShares: Math.min(Math.max(shares, MIN_SHARES), MAX_SHARES),
    ...(cpuLimitMilli > 0 && { cpuQuotaUs: Math.max(MIN_QUOTA_US, (cpuLimitMilli * PERIOD_US) / 1000), cpuPeriodUs: PERIOD_US }),
    ...(memoryLimitBytes > 0 && { memoryLimitBytes }),
    pidsLimit: MAX_CONTAINER_PIDS,
    oomScoreAdj: oomScoreAdj(pod, container, nodeMemoryBytes),
  }
}
