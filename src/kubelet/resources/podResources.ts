/** What a pod as a whole asks for and may have, and its cgroup's settings from that. Pure. */
import { aggregateContainerResources } from '../../api/defaulting/resources.ts'
import type { Container, Pod, ResourceRequirements } from '../../api/kinds/core/v1.ts'
import { addQuantity, formatQuantity, quantitySign } from '../../api/quantity.ts'
import type { KubeletConfiguration } from '../configuration.ts'
import { quantityMilli, quantityValue } from '../pods/amounts.ts'
import { podQosClass } from './qos.ts'
import { cpuQuota, cpuShares, MIN_SHARES } from './resources.ts'

/** The containers' sum, what was said for the pod in its place, and the sandbox's own. */
export function podAmounts(pod: Pod, which: 'requests' | 'limits'): Record<string, string> {
  const amounts: Record<string, string> = { ...aggregateContainerResources(pod, which), ...pod.spec?.resources?.[which] }
  for (const [name, amount] of Object.entries(pod.spec?.overhead ?? {})) {
    // What has no limit gets none by it.
    if (which === 'requests' || amounts[name] !== undefined) amounts[name] = formatQuantity(addQuantity(amounts[name] ?? '0', amount))
  }
  return amounts
}

/** As the API tells them of the pod. */
export function podResources(pod: Pod): ResourceRequirements {
  const [requests, limits] = [podAmounts(pod, 'requests'), podAmounts(pod, 'limits')]
  return {
    ...pod.spec?.resources,
    ...(Object.keys(requests).length > 0 && { requests }),
    ...(Object.keys(limits).length > 0 && { limits }),
  }
}

/** A container without a limit of its own may have what the pod may. */
export function inheritsLimits(pod: Pod, { resources }: Container): boolean {
  return (['cpu', 'memory'] as const).some(
    (name) => pod.spec?.resources?.limits?.[name] !== undefined && resources?.limits?.[name] === undefined,
  )
}

export interface PodCgroupSettings {
  cpuShares: number
  cpuQuotaUs?: number
  cpuPeriodUs?: number
  memoryLimitBytes?: number
  hugePages: readonly { pageSize: string; bytes: number }[]
}

const HUGE_PAGES = 'hugepages-'

export function podCgroupSettings(pod: Pod, { cpuCfsQuota }: Pick<KubeletConfiguration, 'cpuCfsQuota'>): PodCgroupSettings {
  const [requests, limits] = [podAmounts(pod, 'requests'), podAmounts(pod, 'limits')]
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]
  // One container without a limit, and the sum of the others' is none of the pod's.
  const isLimited = (name: 'cpu' | 'memory'): boolean => {
    const isSaid = (amounts: Record<string, string> | undefined): boolean => quantitySign(amounts?.[name] ?? '0') > 0
    return isSaid(pod.spec?.resources?.limits) || containers.every(({ resources }) => isSaid(resources?.limits))
  }
  return {
    cpuShares: podQosClass(pod) === 'BestEffort' ? MIN_SHARES : cpuShares(quantityMilli(requests['cpu'] ?? '0')),
    ...(isLimited('cpu') && cpuCfsQuota && cpuQuota(quantityMilli(limits['cpu'] ?? '0'))),
    ...(isLimited('memory') && { memoryLimitBytes: quantityValue(limits['memory'] ?? '0') }),
    hugePages: Object.entries(requests)
      .filter(([name]) => name.startsWith(HUGE_PAGES))
      .map(([name, amount]) => ({ pageSize: name.slice(HUGE_PAGES.length), bytes: quantityValue(amount) })),
  }
}

/** The wider of both in everything: while containers go from one to the other, neither is too small. */
export function widest(a: PodCgroupSettings, b: PodCgroupSettings): PodCgroupSettings {
  const isQuotaSaid = a.cpuQuotaUs !== undefined && b.cpuQuotaUs !== undefined
  const isMemorySaid = a.memoryLimitBytes !== undefined && b.memoryLimitBytes !== undefined
  return {
    cpuShares: Math.max(a.cpuShares, b.cpuShares),
    ...(isQuotaSaid && {
      cpuQuotaUs: Math.max(a.cpuQuotaUs ?? 0, b.cpuQuotaUs ?? 0),
      ...(b.cpuPeriodUs && { cpuPeriodUs: b.cpuPeriodUs }),
    }),
    ...(isMemorySaid && { memoryLimitBytes: Math.max(a.memoryLimitBytes ?? 0, b.memoryLimitBytes ?? 0) }),
    hugePages: b.hugePages,
  }
}
