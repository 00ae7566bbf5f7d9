/** A registry of built-in kinds in memory that lets everybody do everything: for tests of what it does with objects. */
import { loadCatalog } from '../../api/catalog/load.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { createMemoryStore } from '../../storage/memory/memoryStore.ts'
import type { AdmissionPlugin } from '../admission/admission.ts'
import { createRegistry, type ObjectRegistry, type RegistryOptions } from './registry.ts'
import { Services } from './services/services.ts'

export function createTestRegistry(
  admission: readonly AdmissionPlugin[] = [],
  store = createMemoryStore(),
  more: Pick<RegistryOptions, 'transformation'> = {},
): Promise<ObjectRegistry> {
  return createRegistry({
    ...more,
    catalog: loadCatalog(),
    store,
    clock: systemClock,
    log: silentLogger,
    services: new Services({ serviceClusterIpRange: '10.96.0.0/16', nodePortRange: { first: 30_000, last: 32_767 } }),
    authorizer: { authorize: () => ({ allowed: true, reason: '' }), escalation: () => undefined, rulesOf: () => [] },
    tokens: { issue: () => Promise.resolve({ token: 't', expirationTimestamp: '2026-01-01T00:00:00Z' }), defaultAudiences: ['api'] },
    admission: () => admission,
  })
}
