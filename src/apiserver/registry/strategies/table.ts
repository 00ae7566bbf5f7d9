/** The strategies of all kinds that need one, by `group/resource`. */
import { admissionStrategies } from './admissionregistration.ts'
import { apiregistrationStrategies } from './apiregistration.ts'
import { batchStrategies } from './batch.ts'
import { clusterStrategies } from './cluster.ts'
import { coreStrategies } from './core.ts'
import { networkingStrategies } from './networking.ts'
import { rbacStrategies } from './rbac.ts'
import { storageStrategies } from './storage.ts'
import { workloadStrategies } from './workloads.ts'
import type { Strategy } from '../strategy.ts'

export const strategies: ReadonlyMap<string, Strategy> = new Map(
  Object.entries({
    ...coreStrategies,
    ...workloadStrategies,
    ...batchStrategies,
    ...networkingStrategies,
    ...storageStrategies,
    ...rbacStrategies,
    ...admissionStrategies,
    ...clusterStrategies,
    ...apiregistrationStrategies,
  }),
)
