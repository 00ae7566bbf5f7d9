/** A pod's quality of service class, as it follows from its resources. */
import { nanosOf } from './quantities.ts'
import type { PodSpec } from '../kinds/core/v1.ts'

const COMPUTE = ['cpu', 'memory'] as const

export function qosClassOf(spec: Partial<PodSpec>): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
  const podLevel = spec.resources ? [{ resources: spec.resources }] : containers
  const sum = (field: 'limits' | 'requests', name: string): bigint =>
    podLevel.reduce((total, { resources }) => total + nanosOf(resources?.[field]?.[name]), 0n)
  if (COMPUTE.every((name) => sum('limits', name) === 0n && sum('requests', name) === 0n)) return 'BestEffort'
  const isLimited = podLevel.every(({ resources }) => COMPUTE.every((name) => nanosOf(resources?.limits?.[name]) > 0n))
  return isLimited && COMPUTE.every((name) => sum('requests', name) === sum('limits', name)) ? 'Guaranteed' : 'Burstable'
}
