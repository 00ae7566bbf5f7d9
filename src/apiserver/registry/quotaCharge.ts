/** Writes a quota's usage for the ResourceQuota admission plugin, straight to the store. */
import { isConflict, isNotFound } from '../../api/status.ts'
import { trackUpdate } from './fieldManagement.ts'
import { cloneJson } from '../../api/jsonValues.ts'
import { ownWriteContext, type OwnWritesOptions } from './ownWrites.ts'
import type { ResourceQuota } from '../../api/kinds/core/v1.ts'
import type { ChargeQuota } from '../admission/resourceQuota.ts'
import type { Catalog } from '../../api/catalog/catalog.ts'
import type { Clock } from '../../base/clock.ts'
import type { StoredKind } from './kind.ts'
import type { Kinds } from './kinds.ts'

export interface QuotaChargeOptions extends OwnWritesOptions {
  catalog: Catalog
  clock: Clock
  kinds: Kinds
}

export function createQuotaCharge({ catalog, clock, kinds, objects, reader, services }: QuotaChargeOptions): ChargeQuota {
  return async (quota, used) => {
    const kind = kinds.named('', 'resourcequotas') as StoredKind
    const { name, namespace = '' } = quota.metadata
    const next = cloneJson(quota) as ResourceQuota
    next.status = { ...next.status, hard: next.status?.hard ?? next.spec?.hard ?? {}, used }
    const resource = kind.storage
    trackUpdate(next, quota, { catalog, kind, resource, manager: 'kube-apiserver', subresource: 'status', nowMs: clock.now() })
    const steps = { namespace, name, part: 'status' as const, retryConflicts: false, change: async () => next, approve: async () => {} }
    try {
      await objects.update(kind, steps, ownWriteContext({ objects, reader, services }), () =>
        Promise.reject(new Error('a quota is charged, not created')),
      )
      return true
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return false
      throw error
    }
  }
}
