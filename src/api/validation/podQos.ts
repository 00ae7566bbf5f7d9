/** A pod's quality of service class, as it follows from its resources. */
import { nanosOf } from './quantities.ts'
import type { PodSpec } from '../kinds/core/v1.ts'

const COMPUTE = ['cpu', 'memory'] as const

export function qosClassOf(spec: Partial<PodSpec>): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
  const podLevel = spec.resources ? [{ resources: spec.resources }] : containers
  let any = false
  let guaranteed = true
  for (const { resources } of podLevel) {
    for (const name of COMPUTE) {
      const limit = nanosOf(resources?.limits?.[name])
      const request = nanosOf(resources?.requests?.[name])
      if (limit > 0n || request > 0n) any = true
      if (limit === 0n || (request !== 0n && request !== limit)) guaranteed = false
    }
  }
  if (!any) return 'BestEffort'
  return guaranteed ? 'Guaranteed' : 'Burstable'
}
